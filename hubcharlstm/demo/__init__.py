"""The Gradio app: `launch` builds and starts it, `api` holds its endpoints, `models` one engine per served model."""
