"""Tuned models, and strangers', put to use: questions to files, scores on a domain."""
