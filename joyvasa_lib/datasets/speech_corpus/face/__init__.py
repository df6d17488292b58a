"""What a face does with speech: the motion of the corpus, by rules with measured numbers."""
