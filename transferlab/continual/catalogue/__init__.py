"""What each strategy is called, what can be set, when to use it, what it needs. No torch here."""
