"""Behaviour of other code, kept apart from this library's own."""
