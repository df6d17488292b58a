"""The person in front of the background: what moves with the head, and what is behind."""
