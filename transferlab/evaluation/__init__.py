"""Scores of domains, what they stand beside, and how they add up."""
