"""Features become normalised motion: the denoiser and how it is sampled."""
