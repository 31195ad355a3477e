"""The training loop on Avalanche's template, with its checkpoints and its record."""
