"""Settings, build and start of the app. Nothing reaches beyond this machine but the loading of a model from the Hub."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import huggingface_hub.constants
from fastapi import FastAPI
from gradio.route_utils import FnIndexInferError
from gradio.routes import App
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from hubcharlstm.demo.api import add_api
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.model_source import ModelSource
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.page.layout import chat_page
from hubcharlstm.demo.page.theme import CSS, theme
from hubcharlstm.demo.page.welcome import intro
from hubcharlstm.demo.serving.admission import AdmissionController, Limits
from hubcharlstm.demo.serving.gradio_compat import configure_mcp, has_mcp, keep_small
from hubcharlstm.demo.serving.health import health
from hubcharlstm.demo.serving.middleware import Guard, misunderstood
from hubcharlstm.demo.serving.runtime import leave_a_core
from hubcharlstm.demo.serving.server import Server
from hubcharlstm.model import CharLSTM

MODEL_VARIABLE = "HUBCHARLSTM_MODEL"
HOST, PORT = "127.0.0.1", 7860
ORIGINS_VARIABLE = "HUBCHARLSTM_ALLOW_ORIGINS"
SPARE_SLOTS = 100
"""Job slots of Gradio's queue beyond those whose requests are served or wait, for who is told that there is no room."""


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
    serve(build(load_registry(model_id, revision=revision, device=device, precision=precision)), *address)


def load_registry(
    model_id: str | None = None, *, revision: str | None = None, device: str = "auto", precision: str = "auto"
) -> ModelRegistry:
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
        return ModelRegistry(first, sources[0], sources[1:], open_to_all=True)
    wanted = ModelSource(sources[0], **options, on_change=lambda model: registry.take_over(sources[0], model))
    served = sources[0] if wanted.notice is None else None
    registry = ModelRegistry(wanted.model, served, sources, notice=wanted.notice)
    return registry


def build(registry: ModelRegistry, admission: AdmissionController | None = None) -> gr.Blocks:
    """The page and the API over the models of `shelf`, not yet served. gate: how many are served at one time."""
    stay_quiet()
    admission = admission or AdmissionController(Limits.of(os.environ))
    pacer = UpdatePacer()
    first = registry.first
    title = intro(first.model, first.label)["title"]
    demo = gr.Blocks(title=f"{title} · hubcharlstm", analytics_enabled=False, fill_height=True)
    with demo:
        handlers = chat_page(registry, admission, pacer)
        demo.load(
            handlers.on_load, None, handlers.outputs, queue=False, api_visibility="private", show_progress="hidden"
        )
        add_api(registry, admission, pacer)
    demo.max_threads = admission.limits.max_concurrent + admission.limits.max_queued + SPARE_SLOTS
    demo.queue(api_open=False)  # a direct POST would get the first update only
    demo.hubcharlstm = (registry, admission)  # type: ignore[attr-defined]  # what `server_of` serves it with
    return demo


def serve(demo: gr.Blocks, host: str | None = None, port: int | None = None) -> None:
    """Serve `demo` until it is ended; raises `ValueError` if the port is taken."""
    leave_a_core()
    server = server_of(demo, host, port)
    url = f"http://{server.config.host}:{server.config.port}/"
    server.opened = lambda: print(f"The app is open at {url} (Ctrl+C ends it).", flush=True)
    with suppress(KeyboardInterrupt):  # which ends it like any other signal, and is told again after that
        server.run()


def server_of(demo: gr.Blocks, host: str | None = None, port: int | None = None) -> Server:
    """The server of what `build` made, still to be run; raises `ValueError` if the port is taken."""
    stay_quiet()
    host, port = find_address(host, port)
    check_free(host, port)
    registry, admission = demo.hubcharlstm  # type: ignore[attr-defined]
    root = os.environ.get("GRADIO_ROOT_PATH", "").rstrip("/")
    origins = [origin.strip() for origin in os.environ.get(ORIGINS_VARIABLE, "").split(",") if origin.strip()]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # With this one Gradio leaves out its own, which lets any page in wherever the app is not on this machine.
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    gr.mount_gradio_app(
        app,
        demo,
        path="/",
        server_name=host,
        server_port=port,
        root_path=root or None,
        theme=theme(),
        css_paths=CSS,
        max_file_size=1,
        footer_links=["api", "gradio"],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        mcp_server=has_mcp(),
        pwa=False,
        ssr_mode=False,
        app_kwargs={
            "exception_handlers": dict.fromkeys((FnIndexInferError, LookupError, TypeError, ValueError), misunderstood)
        },
    )
    mounted = [route.app for route in app.routes if isinstance(route, Mount)]
    demo.app = next(one for one in mounted if isinstance(one, App))  # not the one that `queue` made
    keep_small(demo)
    configure_mcp(demo, host, port)
    path = urlsplit(root).path if "://" in root else root
    guard = Guard(app, root=path, origins=origins, health=lambda: health(registry, admission))
    return Server(guard, demo, admission, host, port)


def stay_quiet() -> None:
    """Keep Gradio and the Hub's client from reporting use."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # A table of the last 10,000 calls, made anew after each of them for a page that is switched off:
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
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
