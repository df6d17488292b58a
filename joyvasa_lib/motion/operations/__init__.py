"""Motion to motion: temporal smoothing, retiming, gains, limits, joining."""
