"""One pipeline at many settings: planned as a whole, each cell an ordinary run."""
