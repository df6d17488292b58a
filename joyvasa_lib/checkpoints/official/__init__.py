"""Names and shapes of LivePortrait's and JoyVASA's published files."""
