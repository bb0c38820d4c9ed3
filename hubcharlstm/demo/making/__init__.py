"""Models that visitors make on the page: a text, its pre-flight, a training in a process of its own, the model."""
