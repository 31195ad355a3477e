"""Checks of a domain's rows, media and splits, and what they find."""
