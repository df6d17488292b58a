"""How good generated motion is on held-out recordings."""
