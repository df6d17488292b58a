"""LivePortrait's and JoyVASA's published files: where they come from, their names and shapes."""
