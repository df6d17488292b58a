"""Draws heads: materials, light, hair, image styles."""
