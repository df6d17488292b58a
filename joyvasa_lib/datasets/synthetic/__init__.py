"""Training data made here: rendered heads and spoken text (extra ``synthetic``)."""
