"""How good a model is: losses, baselines, memorization."""
