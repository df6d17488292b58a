"""The eyes of an image: what belongs to them, and what lids hide of them."""
