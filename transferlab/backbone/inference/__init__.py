"""Scoring, generation and features of a loaded model, and the memory of a step."""
