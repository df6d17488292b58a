"""What a closed eye looks like."""
