"""Driven heads become frames."""
