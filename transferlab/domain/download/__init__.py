"""Download and unpacking of archives that a domain.yaml names."""
