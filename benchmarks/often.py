"""The app with as many updates a second as Gradio can send: `python -m benchmarks.often PORT`."""

from __future__ import annotations

import sys

from hubcharlstm.demo.chat import pacing
from hubcharlstm.demo.launch import build, load_registry, serve

UPDATES_PER_SECOND = 600

if __name__ == "__main__":
    pacing.UPDATES_PER_SECOND, pacing.PAUSE_GROWTH = UPDATES_PER_SECOND, 1.0
    serve(build(load_registry()), "127.0.0.1", int(sys.argv[1]))
