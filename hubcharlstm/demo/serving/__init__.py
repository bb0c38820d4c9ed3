"""The HTTP server around Gradio: limits, middleware, back-pressure, health."""
