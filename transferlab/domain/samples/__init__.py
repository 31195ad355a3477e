"""Samples built from rows."""
