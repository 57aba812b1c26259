"""What becomes of a model folder: gates, version, history, signature."""
