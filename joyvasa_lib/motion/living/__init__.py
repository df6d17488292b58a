"""What a face does beside speaking: eyes, breathing, postures, listening."""
