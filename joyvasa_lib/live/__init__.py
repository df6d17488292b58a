"""A conversation: sound in as it comes, paced frames with their sound out; see ``avatar``."""
