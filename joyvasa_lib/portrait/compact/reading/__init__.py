"""Reads what a face does in the frames of a video."""
