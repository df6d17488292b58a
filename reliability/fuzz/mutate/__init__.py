"""Damage to files: bytes, containers, trees of values, and texts."""
