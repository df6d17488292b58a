"""Expressions read from images and videos, as emotions."""
