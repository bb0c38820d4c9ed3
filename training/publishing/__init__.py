"""A trained model -> the Hub, and a Space that serves it."""
