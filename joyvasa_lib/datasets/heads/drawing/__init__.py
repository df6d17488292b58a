"""Draws a head: materials, light, hair, styles."""
