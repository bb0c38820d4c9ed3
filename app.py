"""The Space's entry point, also `python app.py`: the model that HUBCHARLSTM_MODEL names, or the shipped one."""

from hubcharlstm.demo.launch import build, load_model, serve

demo = build(load_model())

if __name__ == "__main__":
    serve(demo)
