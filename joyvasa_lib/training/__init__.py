"""Training of both stages. Needs the extra ``train``."""
