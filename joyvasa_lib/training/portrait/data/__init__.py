"""Pairs of images that portrait training learns from."""
