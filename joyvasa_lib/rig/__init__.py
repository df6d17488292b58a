"""The parametric head: its shape, its regions, how it is fitted to landmarks and rasterised."""
