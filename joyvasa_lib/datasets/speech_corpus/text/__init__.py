"""What is said: sentences and pseudo-words of many languages, and their sounds."""
