"""Options that several commands share, each declared once, in groups, with what they stand for."""
