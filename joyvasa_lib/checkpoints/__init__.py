"""Checkpoints: folders, files, names and shapes; it knows no networks and no motion."""
