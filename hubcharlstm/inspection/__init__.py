"""What a model predicts for a given text."""
