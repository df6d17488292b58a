"""Data that models are trained on."""
