"""Tuned models out of a run: which there are, and how they are written."""
