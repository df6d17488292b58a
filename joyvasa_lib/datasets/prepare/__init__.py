"""Talking videos become a training set."""
