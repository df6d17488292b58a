"""Trains LivePortrait's networks."""
