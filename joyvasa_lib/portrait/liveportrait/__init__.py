"""The official preset of stage one: LivePortrait's networks, for checkpoints the user brings."""
