"""Training of the map from action units to expression."""
