"""Where results are kept: MLflow, its figures and what ran where."""
