"""Maps from action units to expression: linear, learned and fitted."""
