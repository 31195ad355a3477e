"""What a person sees: lines, tables and bars on the terminal."""
