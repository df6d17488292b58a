"""Editing a motion: the stream of pieces, the protection of speech, and natural variation."""
