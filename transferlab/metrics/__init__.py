"""Pure functions over answers, score matrices and features; numpy, scipy and scikit-learn only."""
