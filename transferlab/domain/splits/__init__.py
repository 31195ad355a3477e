"""Splits by group, and their manifests."""
