"""What can be set for each strategy, and what is impossible. No torch here."""
