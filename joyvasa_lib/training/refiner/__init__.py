"""Trains the compact preset's generator."""
