"""Texts from elsewhere, made fit to be shown."""
