"""What is known of a model before it is loaded, and what goes wrong while it is."""
