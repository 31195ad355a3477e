"""Methods against forgetting, one per file."""
