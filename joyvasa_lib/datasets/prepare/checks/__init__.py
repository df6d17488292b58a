"""Which stretches of a video may become clips, and why the others may not."""
