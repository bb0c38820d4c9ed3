"""The Space's entry point, also `python app.py`: the models that HUBCHARLSTM_MODEL names, and the shipped one."""

from hubcharlstm.demo.launch import build, load_registry, serve

demo = build(load_registry())

if __name__ == "__main__":
    serve(demo)
