"""The HTTP server around Gradio: admission control, backpressure, middleware, health, and the compatibility layers."""
