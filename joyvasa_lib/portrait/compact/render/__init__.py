"""Draws driven heads: flow to the source image, layers, mouth shading, eyelids."""
