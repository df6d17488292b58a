"""Commands that fetch checkpoints and turn them into others."""
