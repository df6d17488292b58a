"""Motion to motion: smoothing, retiming, gains, limits, joining."""
