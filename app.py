"""The Space's entry point, also `python app.py`: serves HUBCHARLSTM_MODEL's models and the shipped one."""

from hubcharlstm.demo.serving.gradio_stubs import without_type_stubs
from hubcharlstm.imports import paused_collection

with paused_collection(), without_type_stubs():
    from hubcharlstm.demo.launch import build, load_registry, serve

app = build(load_registry())
demo = app.demo  # where Gradio's own tools look for it

if __name__ == "__main__":
    serve(app)
