"""``transferlab domains``: list, show, check, register, fetch."""
