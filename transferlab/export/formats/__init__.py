"""Formats in which a tuned model leaves, one file each."""
