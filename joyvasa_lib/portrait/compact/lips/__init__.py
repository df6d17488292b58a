"""The lips of a portrait: their line and corners, closed, parted and rounded."""
