"""Sounds that are not speech: breath, laughter, noise, music. All of them are computed."""
