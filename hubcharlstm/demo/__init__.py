"""The Gradio interface: `launch.py` sets up and starts it, one file per tab, css and js in `assets`."""
