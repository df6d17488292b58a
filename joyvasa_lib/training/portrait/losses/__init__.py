"""Losses of portrait training."""
