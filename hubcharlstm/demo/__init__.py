"""The Gradio interface: `launch.py` sets up and starts it, a small page over one engine per model."""
