"""Records and registries that every other unit may use."""
