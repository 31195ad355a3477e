"""Records and helpers that every room of the domain uses."""
