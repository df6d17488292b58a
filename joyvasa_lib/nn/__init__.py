"""Pieces of networks that more than one room builds with."""
