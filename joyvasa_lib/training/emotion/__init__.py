"""Trains the map from action units to expression."""
