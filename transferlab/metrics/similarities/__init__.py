"""Similarity measures, one file each; see ``metrics/pool.py`` for what a measure is."""
