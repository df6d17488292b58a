"""Stage one: a portrait is encoded once and rendered under any motion."""
