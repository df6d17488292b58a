"""The compact preset of stage one: a fitted head rig moves the image."""
