"""What every training run shares: recipe, loop, folder, card."""
