"""Finished runs as documents and comparisons, made from what the runs left on disk."""
