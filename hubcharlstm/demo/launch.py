"""Settings, build and start of the app. Nothing reaches beyond this machine but the loading of a model from the Hub."""

from __future__ import annotations

import os
import socket
from typing import Any

import gradio as gr
import huggingface_hub.constants

from hubcharlstm.demo.api import add_api
from hubcharlstm.demo.chat import chat_page
from hubcharlstm.demo.intro import intro
from hubcharlstm.demo.shelf import Shelf
from hubcharlstm.demo.theme import CSS, theme
from hubcharlstm.model import CharLSTM
from hubcharlstm.model_source import ModelSource

MODEL_VARIABLE = "HUBCHARLSTM_MODEL"
HOST, PORT = "127.0.0.1", 7860
MAX_THREADS = 400
"""Job slots of Gradio's queue, more than there are replies at one time, each of which holds one."""


def launch(
    model_id: str | None = None,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    host: str | None = None,
    port: int | None = None,
) -> None:
    """Start the app and serve it until it is ended.

    model_id: a Hub id or a folder; without one, the first that HUBCHARLSTM_MODEL names, else the model that ships in
    the package. The page's menu offers all of these. revision, device, precision: of the first, as `from_pretrained`
    takes them. host, port: without them GRADIO_SERVER_NAME and
    GRADIO_SERVER_PORT, else 127.0.0.1 and 7860, and 0.0.0.0 on a Space. Raises `ValueError` for a model that does not
    load or a port that is taken.
    """
    address = find_address(host, port)
    check_free(*address)
    serve(build(load_shelf(model_id, revision=revision, device=device, precision=precision)), *address)


def load_shelf(
    model_id: str | None = None, *, revision: str | None = None, device: str = "auto", precision: str = "auto"
) -> Shelf:
    """The models to offer, the first one loaded: by id, by HUBCHARLSTM_MODEL, or the one that ships in the package.

    Raises `ValueError` if the first does not load. On a Space, which may start while the Hub is down, the shipped model
    serves in its place until it does; and nothing else may be asked for there.
    """
    stay_quiet()
    named = [name.strip() for name in os.environ.get(MODEL_VARIABLE, "").split(",") if name.strip()]
    sources = [*([model_id] if model_id else []), *named, None]
    options: dict[str, Any] = {"revision": revision, "device": device, "precision": precision}
    if not os.environ.get("SPACE_ID"):
        first = CharLSTM.from_pretrained(sources[0], **options)
        return Shelf(first, sources[0], sources[1:], open_to_all=True)
    wanted = ModelSource(sources[0], **options, on_change=lambda model: shelf.take_over(sources[0], model))
    served = sources[0] if wanted.notice is None else None
    shelf = Shelf(wanted.model, served, sources, notice=wanted.notice)
    return shelf


def build(shelf: Shelf) -> gr.Blocks:
    """The page over the models of `shelf`, not yet served."""
    stay_quiet()
    first = shelf.first
    title = intro(first.model, first.label)["title"]
    demo = gr.Blocks(title=f"{title} · hubcharlstm", analytics_enabled=False, fill_height=True)
    with demo:
        desk = chat_page(shelf)
        demo.load(desk.greet, None, desk.outputs, queue=False, api_visibility="private", show_progress="hidden")
        add_api(shelf)
    demo.queue(api_open=False)  # a direct POST would get the first update only
    return demo


def serve(demo: gr.Blocks, host: str | None = None, port: int | None = None) -> None:
    """Serve `demo` until it is ended; raises `ValueError` if the port is taken."""
    start(demo, host, port)
    print(f"The app is open at {demo.local_url} (Ctrl+C ends it).", flush=True)
    demo.block_thread()


def start(demo: gr.Blocks, host: str | None = None, port: int | None = None) -> None:
    """Serve `demo` from now on, beside what this thread does next; raises `ValueError` if the port is taken."""
    stay_quiet()
    host, port = find_address(host, port)
    check_free(host, port)
    demo.launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        css_paths=CSS,
        max_threads=MAX_THREADS,
        max_file_size=1,  # no component takes files: an upload is refused rather than kept
        footer_links=["api", "gradio"],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        share=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
    )


def stay_quiet() -> None:
    """Keep Gradio and the Hub's client from reporting use."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # for what this process starts; this one has read it already:
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True


def find_address(host: str | None, port: int | None) -> tuple[str, int]:
    """Where to listen: the arguments, else Gradio's variables, else this machine alone, or everyone on a Space."""
    home = "0.0.0.0" if os.environ.get("SPACE_ID") else HOST
    host = host or os.environ.get("GRADIO_SERVER_NAME") or home
    if port is not None:
        return host, port
    named = os.environ.get("GRADIO_SERVER_PORT") or str(PORT)
    if not (named.isascii() and named.isdecimal()):
        raise ValueError(f"GRADIO_SERVER_PORT is {named!r}; expected a port such as {PORT}: correct it, or unset it.")
    return host, int(named)


def check_free(host: str, port: int) -> None:
    """Raise `ValueError` if nothing can listen at `host` and `port`."""
    if not 1 <= port <= 65_535:
        raise ValueError(f"The port is {port}; expected 1 to 65535: choose another, such as {PORT}.")
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        raise ValueError(
            f"Nothing can listen at {host}:{port} ({error.strerror}); expected a free port of this machine: "
            "end what uses it, or choose another port."
        ) from error
