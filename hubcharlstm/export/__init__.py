"""A model as an HTML page or a JavaScript module that computes in the browser."""
