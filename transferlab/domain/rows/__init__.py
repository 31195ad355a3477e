"""Rows: the contract of a source, and what is done to its rows before samples are built."""
