"""A corpus: files or plays -> text to train on and text held out."""
