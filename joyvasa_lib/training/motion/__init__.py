"""Trains the motion denoiser."""
