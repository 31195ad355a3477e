"""The model's parts, its adapter, and the view that is trained."""
