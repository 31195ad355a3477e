"""How far domains are from each other on a backbone's features."""
