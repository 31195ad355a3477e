"""What a measure of similarity is held against: random splits of like groups, shuffled labels."""
