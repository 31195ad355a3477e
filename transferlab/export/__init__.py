"""What comes out of a run for others to load: adapters that are verified, with their cards."""
