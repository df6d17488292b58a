"""Trains or builds speech encoders."""
