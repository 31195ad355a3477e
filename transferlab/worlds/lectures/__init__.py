"""Made-up lecture videos with transcripts."""
