"""Text in, text out, over the decoder or an engine."""
