"""Kinds of data source, one file per kind; the contract is in ``domain/rows/source.py``."""
