"""From action units to expression: linear, learned and fitted maps."""
