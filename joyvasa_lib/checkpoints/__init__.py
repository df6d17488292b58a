"""Checkpoints: where the bundled one lies and whether a folder is one."""
