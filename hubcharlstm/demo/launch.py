"""Configures, builds and starts the app. Only the loading of a model reaches beyond this machine."""

from __future__ import annotations

import functools
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import gradio as gr
import huggingface_hub.constants
from fastapi import FastAPI, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from hubcharlstm.demo.alternatives_api import add_alternatives
from hubcharlstm.demo.api import add_api
from hubcharlstm.demo.chat.pacing import UpdatePacer
from hubcharlstm.demo.inside.api import add_trace_endpoint
from hubcharlstm.demo.inside.routes import add_inside
from hubcharlstm.demo.inside.tracing import Tracer
from hubcharlstm.demo.making.limits import MakingLimits
from hubcharlstm.demo.making.manager import TrainingManager
from hubcharlstm.demo.making.routes import SIGN_IN_FAILED, TextUpload, add_making
from hubcharlstm.demo.making.storage import Storage
from hubcharlstm.demo.model_source import ModelSource
from hubcharlstm.demo.models import ModelRegistry
from hubcharlstm.demo.openai_api.routes import add_openai_api
from hubcharlstm.demo.page.layout import chat_page
from hubcharlstm.demo.page.localization import localize_page
from hubcharlstm.demo.page.theme import CSS, theme
from hubcharlstm.demo.page.welcome import lines as introduction_lines
from hubcharlstm.demo.page.welcome import title as page_title
from hubcharlstm.demo.private_models import PrivateModels
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.serving import gradio_compat, gradio_oauth
from hubcharlstm.demo.serving.admission import AdmissionController, Limits
from hubcharlstm.demo.serving.authentication import Authenticator, Credentials
from hubcharlstm.demo.serving.failures import FailureLog, FailureMiddleware
from hubcharlstm.demo.serving.health import health
from hubcharlstm.demo.serving.hosts import HostMiddleware, HostPolicy
from hubcharlstm.demo.serving.middleware import HardeningMiddleware, malformed_call_handler
from hubcharlstm.demo.serving.presence import PresenceMiddleware
from hubcharlstm.demo.serving.proxies import TrustedProxies
from hubcharlstm.demo.serving.replicas import ReplicaMiddleware, replica_name
from hubcharlstm.demo.serving.security_headers import SecurityHeadersMiddleware, allowed_origins, framing_pages
from hubcharlstm.demo.serving.server import Server
from hubcharlstm.demo.space_card import models_of_card
from hubcharlstm.demo.tools import Tools
from hubcharlstm.hub import preview_image
from hubcharlstm.hub.retry import operation_seconds
from hubcharlstm.imports import paused_collection
from hubcharlstm.model import CharLSTM

MODEL_VARIABLE = "HUBCHARLSTM_MODEL"
PREVIEW_IMAGE = "/preview.png"
"""The path of the picture of the page's link."""
HOST, PORT = "127.0.0.1", 7860
SPARE_SLOTS = 100
"""Slots of Gradio's queue beyond `Limits`, for requests that are refused because those are reached."""


@dataclass(frozen=True)
class ChatApp:
    """What `build` makes and `serve` serves. demo: the page and the API. private: the models that visitors make.

    making_limits: of the view "Make your own", None without it.
    """

    demo: gr.Blocks
    registry: ModelRegistry
    admission: AdmissionController
    pacer: UpdatePacer
    tools: Tools
    private: PrivateModels
    making_limits: MakingLimits | None
    tracer: Tracer


def launch(
    model_id: str | None = None,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    host: str | None = None,
    port: int | None = None,
    auth: str | None = None,
) -> None:
    """Start the app and serve it until it is ended by a signal.

    model_id: a Hub id or a folder; without one, the first that HUBCHARLSTM_MODEL names, else the model that ships in
    the package. The page's menu offers all of these. revision, device, precision: of the first, as `from_pretrained`
    takes them. host, port: by default GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, else 127.0.0.1 and 7860, and 0.0.0.0
    on a Space. auth: USER:PASSWORD that page and API ask for, by default HUBCHARLSTM_AUTH's, else none. Raises
    `ValueError` for a model that does not load, a port that is taken, or an `auth` without a password.
    """
    address = find_address(host, port)
    check_port_is_free(*address)
    Credentials.of(auth)  # refused before a model is loaded
    serve(build(load_registry(model_id, revision=revision, device=device, precision=precision)), *address, auth=auth)


def load_registry(
    model_id: str | None = None, *, revision: str | None = None, device: str = "auto", precision: str = "auto"
) -> ModelRegistry:
    """The registry of the models to offer, with the first one loaded: `model_id`, HUBCHARLSTM_MODEL's, or the shipped.

    Without the variable, the models that the README.md of a Space names take its place.
    Raises `ValueError` if the first does not load. On a Space, which may start while the Hub is down, the shipped model
    serves until the first one loads; and there no request may name another model.
    """
    disable_telemetry()
    operation_seconds()  # of a wrong value each download would complain, and a Space would retry forever
    named = [name.strip() for name in os.environ.get(MODEL_VARIABLE, "").split(",") if name.strip()]
    named = named or models_of_card()
    sources = [*([model_id] if model_id else []), *named, None]
    if not os.environ.get("SPACE_ID"):
        first = CharLSTM.from_pretrained(sources[0], revision=revision, device=device, precision=precision)
        return ModelRegistry(first, sources[0], sources[1:], open_to_all=True)
    wanted = ModelSource(
        sources[0],
        revision=revision,
        device=device,
        precision=precision,
        on_change=lambda model: registry.take_over(sources[0], model),
    )
    served = sources[0] if wanted.notice is None else None
    registry = ModelRegistry(wanted.model, served, sources, notice=wanted.notice)  # long before the first retry
    return registry


@paused_collection()
def build(registry: ModelRegistry, admission: AdmissionController | None = None) -> ChatApp:
    """The page and the API over the models of `registry`, not yet served. admission: by default the environment's."""
    disable_telemetry()
    admission = admission or AdmissionController(Limits.of(os.environ))
    pacer, tracer = UpdatePacer(), Tracer()
    first = registry.first
    title = page_title(first.model, first.label)
    demo = gr.Blocks(title=f"{title} · hubcharlstm", analytics_enabled=False, fill_height=True)
    with demo:
        making_limits = MakingLimits.of(os.environ)
        if making_limits is not None and gradio_oauth.has_sign_in(os.environ):
            gradio_oauth.add_sign_in()
        handlers = chat_page(registry, admission, pacer, has_making=making_limits is not None)
        demo.load(
            handlers.on_load, None, handlers.outputs, queue=False, api_visibility="private", show_progress="hidden"
        )
        endpoints = add_api(handlers.private, admission, pacer)
        alternatives = add_alternatives(handlers.private, admission)
        add_trace_endpoint(registry, admission, tracer)
    gradio_compat.set_job_slots(demo, admission.limits.max_concurrent + admission.limits.max_queued + SPARE_SLOTS)
    demo.queue(api_open=False)  # a direct POST would get the first update only
    tools = Tools(endpoints, registry, alternatives)
    return ChatApp(demo, registry, admission, pacer, tools, handlers.private, making_limits, tracer)


def serve(app: ChatApp, host: str | None = None, port: int | None = None, *, auth: str | None = None) -> None:
    """Serve `app` until it is ended by a signal; raises `ValueError` if the port is taken. auth: as for `launch`."""
    server = create_server(app, host, port, auth=auth)
    url = f"http://{server.config.host}:{server.config.port}/"
    server.on_startup = lambda: print(f"The app is open at {url} (Ctrl+C ends it).", flush=True)
    with suppress(KeyboardInterrupt):  # Uvicorn shuts down, and then raises the signal once more
        server.run()


def create_server(app: ChatApp, host: str | None = None, port: int | None = None, *, auth: str | None = None) -> Server:
    """The server of `app`, not yet running; raises `ValueError` if the port is taken. auth: as for `launch`."""
    disable_telemetry()
    credentials = Credentials.of(auth)
    host, port = find_address(host, port)
    check_port_is_free(host, port)
    policy = HostPolicy.of(os.environ, host)
    TrustedProxies.of(os.environ)  # refused before anything is served
    root = os.environ.get("GRADIO_ROOT_PATH", "").rstrip("/")
    origins = allowed_origins(os.environ)
    asgi = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    asgi.add_middleware(gradio_compat.UnknownEventMiddleware, demo=app.demo)
    asgi.add_middleware(PresenceMiddleware, owners=app.private.owners)
    if name := replica_name(os.environ):
        asgi.add_middleware(ReplicaMiddleware, name=name)
    # Gradio adds no CORS headers to an app that has its own; its own would allow every origin on any other host.
    asgi.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    # Gradio compresses files by their endings, but not the page itself, which is the largest response.
    asgi.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=6)
    add_openai_api(asgi, app.registry, app.admission, app.pacer)
    manager = None
    if app.making_limits is not None:
        manager = TrainingManager(app.making_limits, app.private, Storage())
        add_making(asgi, manager, app.registry, app.demo)
    add_inside(asgi, app.private, app.admission, app.pacer, app.tracer)
    add_preview_image(asgi, app.registry)
    authenticator = Authenticator(credentials, app.demo) if credentials else None
    mount(asgi, app.demo, host, port, root, authenticator)
    gradio_compat.configure_mcp(app.demo, app.tools)
    first = app.registry.first
    description = " ".join(map(str, introduction_lines(first.model)))
    gradio_compat.describe_page(app.demo, description, PREVIEW_IMAGE, localize_page)
    failures = FailureLog()
    gradio_compat.report_failures(failures.log)
    hardened = HardeningMiddleware(
        FailureMiddleware(asgi, failures),
        root=urlsplit(root).path if "://" in root else root,
        origins=origins,
        health=lambda: health(app.registry, app.admission),
        authenticator=authenticator,
        upload=TextUpload(manager) if manager is not None else None,
    )
    protected = SecurityHeadersMiddleware(HostMiddleware(hardened, policy), framing_pages(os.environ, origins))
    server = Server(protected, app.demo, app.admission, host, port)
    if manager is not None:
        server.on_shutdown = manager.close
    return server


def mount(
    asgi: FastAPI, demo: gr.Blocks, host: str, port: int, root: str, authenticator: Authenticator | None = None
) -> None:
    """Mount `demo` at the root of `asgi`, without uploads, monitoring or tracebacks. authenticator: of its login."""
    gr.mount_gradio_app(
        asgi,
        demo,
        path="/",
        server_name=host,
        server_port=port,
        root_path=root or None,
        auth=authenticator.match if authenticator else None,
        theme=theme(),
        css_paths=CSS,
        max_file_size=1,
        footer_links=["api", "gradio"],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        mcp_server=gradio_compat.has_mcp(),
        pwa=False,
        ssr_mode=False,
        app_kwargs={
            "exception_handlers": {
                **dict.fromkeys(gradio_compat.CALL_ERRORS, malformed_call_handler(demo)),
                **(gradio_oauth.sign_in_errors(f"{root}{SIGN_IN_FAILED}") if demo.expects_oauth else {}),
            }
        },
    )
    gradio_compat.adopt_mounted_app(demo, asgi)


def add_preview_image(asgi: FastAPI, registry: ModelRegistry) -> None:
    """Serve the picture of the page's link at `PREVIEW_IMAGE`, drawn when it is first asked for."""

    @functools.lru_cache(maxsize=2)
    def picture(served_model: ServedModel) -> bytes:
        return preview_image.draw(served_model.model.record, served_model.label)

    def get_picture() -> Response:  # in a worker thread, for it is not async
        return Response(picture(registry.first), media_type="image/png", headers={"cache-control": "max-age=3600"})

    asgi.add_api_route(PREVIEW_IMAGE, get_picture, methods=["GET", "HEAD"])


def disable_telemetry() -> None:
    """Keep Gradio and the Hub's client from reporting use."""
    gradio_compat.disable_analytics()
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # for child processes; this one has read it at import
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True


def find_address(host: str | None, port: int | None) -> tuple[str, int]:
    """Host and port to listen at: the arguments, else Gradio's variables, else loopback, or all hosts on a Space."""
    default_host = "0.0.0.0" if os.environ.get("SPACE_ID") else HOST
    host = host or os.environ.get("GRADIO_SERVER_NAME") or default_host
    if port is not None:
        return host, port
    named = os.environ.get("GRADIO_SERVER_PORT") or str(PORT)
    if not (named.isascii() and named.isdecimal() and len(named) <= 5 and 1 <= int(named) <= 65_535):
        raise ValueError(
            f"GRADIO_SERVER_PORT is {named[:100]!r}; expected a port such as {PORT}: correct it, or unset it."
        )
    return host, int(named)


def check_port_is_free(host: str, port: int) -> None:
    """Raise `ValueError` if no socket can listen at `host` and `port`."""
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
