"""Keyframes of emotions: interpolation, word times and files."""
