"""What a machine offers for a run, and what to do where it falls short."""
