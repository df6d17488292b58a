"""Prepared training sets on disk."""
