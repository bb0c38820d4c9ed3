"""Every private or patched name of Gradio, each with its reason, but those of its sign-in and its stubs.

Nothing else in `demo` but `gradio_oauth` and `gradio_stubs` may touch one.

Gradio is pinned to one minor version; `tests/demo/serving/test_gradio_compat.py` holds one contract test for each name.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import re
from collections.abc import Callable, Collection, Mapping
from copy import copy
from types import SimpleNamespace
from typing import Any, Protocol, cast

import gradio as gr
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from gradio import queueing, route_utils, routes
from gradio.context import LocalContext
from gradio.events import api
from gradio.route_utils import FnIndexInferError
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder
from jinja2 import ChoiceLoader, DictLoader
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

logger = logging.getLogger(__name__)

MAX_SESSIONS = 1_000
"""Sessions that Gradio remembers; an evicted one forgets only which model the page's menu showed last."""

EVICTION_SECONDS = 30.0
"""Between two evictions of idle message queues; a queue is dropped if it is idle at two in a row."""

PROGRAM_USER = "a program"
"""Who Gradio takes for the sender of a request that carries the password itself."""

CALL_ERRORS: tuple[type[Exception], ...] = (FnIndexInferError, LookupError, TypeError, ValueError)
"""What Gradio's routes raise for a malformed call. Gradio has no handler for them, so each would be a traceback."""


# --- events and sessions ----------------------------------------------------------------------------------------------


def event_data(event: gr.EventData) -> dict[str, Any]:
    """The JSON object that the page sent with an event, {} if it sent none.

    `gr.EventData` gives public access by attribute only, which fails for a missing key and for the key "target".
    """
    data = event._data
    return dict(data) if isinstance(data, dict) else {}


def current_blocks() -> gr.Blocks | None:
    """The `gr.Blocks` whose event this task handles. Gradio hands a handler its request, but not its app."""
    return LocalContext.blocks.get(None)


class MessageQueue(Protocol):
    """The messages of one session that wait to be sent."""

    def qsize(self) -> int: ...


def message_queues(demo: gr.Blocks) -> Mapping[str, MessageQueue]:
    """Gradio's own message queues by session, live. Gradio never bounds them, so backpressure has to look at them."""
    return demo._queue.pending_messages_per_session


class LightSession(SessionState):
    """A session without the copy of the page's config that Gradio keeps for deep links, which the app switches off.

    Gradio would describe every component anew for each request of a program.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3_600

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class LightSessions(StateHolder):
    """All sessions, each a `LightSession`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Gradio leaves it without types

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = LightSession(self.blocks)
        return super().__getitem__(session_id)


async def evict_idle_sessions(demo: gr.Blocks) -> None:
    """Every `EVICTION_SECONDS`, drop the message queues of sessions without events. Runs until it is cancelled.

    Gradio drops a session's queue only if its client disconnects from the stream of events, not if it never opened the
    stream or has read it to its end.
    """
    idle: set[str] = set()
    while True:
        await asyncio.sleep(EVICTION_SECONDS)
        idle = evict_once(demo, idle)


def evict_once(demo: gr.Blocks, idle: set[str]) -> set[str]:
    """Drop the sessions that were `idle` last time and still are; returns those that are idle now."""
    queue = demo._queue
    event_ids, messages = queue.pending_event_ids_session, queue.pending_messages_per_session
    active = {event.session_hash for event in queue.event_ids_to_events.values()}
    idle_now = {session for session in (*event_ids, *messages) if session not in active}
    for session in idle_now & idle:
        event_ids.pop(session, None)
        messages.pop(session, None)
    return idle_now - idle


def endpoint_parameters(demo: gr.Blocks) -> dict[str, list[str]]:
    """The parameters of each endpoint by its path, such as "/complete"."""
    endpoints = demo.get_api_info()["named_endpoints"]
    return {path: [one["parameter_name"] for one in facts["parameters"]] for path, facts in endpoints.items()}


def wrong_argument(error: Exception) -> tuple[str, bool] | None:
    """The name of an argument that Gradio does not know, or misses, and whether it is missing; None for other errors.

    Gradio says it in the text of a `TypeError` alone.
    """
    unknown = re.match(r"Parameter `(.*)` is not a valid key-word argument", str(error), re.DOTALL)
    missing = re.match(r"No value provided for required argument: (.*)", str(error), re.DOTALL)
    found = unknown or missing
    return (found[1], found is missing) if found and isinstance(error, TypeError) else None


def has_event(demo: gr.Blocks, event_id: str) -> bool:
    """Whether the messages of an event that a program has called can still be read."""
    queue = demo._queue
    return (
        event_id in queue.event_ids_to_events
        or event_id in queue.pending_messages_per_session
        or any(event_id in ids for ids in queue.pending_event_ids_session.values())
    )


class UnknownEventMiddleware:
    """ASGI middleware around Gradio: an event stream without a session ends, and is not logged as a crash.

    Gradio raises an `HTTPException` in the middle of the answer, which no handler can turn into one any more: a hundred
    lines of traceback, and an answer that breaks off.
    """

    def __init__(self, app: ASGIApp, demo: gr.Blocks) -> None:
        self.app, self.demo = app, demo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope["path"].removeprefix("/gradio_api/") if scope["type"] == "http" else ""
        if scope.get("method") != "GET" or not route.startswith(("call/", "queue/data")):
            await self.app(scope, receive, send)
            return
        event_id = route.rstrip("/").rpartition("/")[2]
        if route.startswith("call/") and not has_event(self.demo, event_id):
            sentence = (
                f"There is no event {event_id[:40]!r} here; expected the event_id of a call whose answer has not been "
                "read for a minute at most: call again."
            )
            await JSONResponse({"error": sentence}, 404)(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except RuntimeError as error:  # Starlette's, for an exception after the answer has begun
            if not (isinstance(error.__cause__, HTTPException) and error.__cause__.status_code == 404):
                raise
            logger.info("ended an event stream whose session is unknown")
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def report_failures(report: Callable[[], None]) -> None:
    """Have `report` called in place of `traceback.print_exc` where Gradio handles the exception of an event.

    Gradio prints some 25 lines for each event with a value that a component does not take, which anybody can send.
    """
    for module in (queueing, routes, route_utils):
        vars(module)["traceback"] = SimpleNamespace(print_exc=report)


# --- the app ----------------------------------------------------------------------------------------------------------


def disable_analytics() -> None:
    """Keep Gradio from reporting use, and from analysing calls. Must run before a `gr.Blocks` is made.

    Gradio otherwise keeps a table of the last 10,000 calls and computes it anew after each one, for a monitoring page
    that the app switches off; nothing but these variables bounds it.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)


def add_endpoint(function: Callable[..., Any], description: str, *, queue: bool) -> None:
    """Add an endpoint named as `function`, without a concurrency limit, inside a `gr.Blocks`.

    `gr.api` is documented, but Gradio's `__all__` leaves it out.
    """
    api(function, api_name=function.__name__, api_description=description, concurrency_limit=None, queue=queue)


def set_job_slots(demo: gr.Blocks, slots: int) -> None:
    """Let Gradio's queue run `slots` events at one time. Only `Blocks.launch` takes this as an argument."""
    demo.max_threads = slots


def adopt_mounted_app(demo: gr.Blocks, host_app: FastAPI) -> None:
    """Use the app that `gr.mount_gradio_app` mounted, with light sessions.

    `Blocks.queue` made an app of its own before, which `demo.app` still names although nothing serves it; and the
    number of sessions is an argument of `Blocks.launch` only.
    """
    demo.app = next(route.app for route in host_app.routes if isinstance(route, Mount) and isinstance(route.app, App))
    demo.state_session_capacity = MAX_SESSIONS
    sessions = LightSessions()
    sessions.set_blocks(demo)
    demo.app.state_holder = sessions


def end_heartbeats(demo: gr.Blocks) -> None:
    """End the streams that pages keep open to learn whether the server runs; the server would wait for them."""
    demo.app.stop_event.set()
    demo.is_running = False


def has_login(demo: gr.Blocks, cookies: Mapping[str, str]) -> bool:
    """Whether a request with these cookies comes from somebody who has logged in.

    Gradio asks this of some of its routes only: not of those that run tools, cancel events or name the app.
    """
    app = demo.app
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(cookies.get(name) in app.tokens for name in names)


def login_cookie(demo: gr.Blocks, token: str) -> str:
    """The cookie of a login by `token`, which all programs share that send the password themselves.

    Gradio has no login but its page's, and an `auth_dependency` would exclude that one. The token is registered each
    time, since a logout removes those of its user.
    """
    app = demo.app
    app.tokens[token] = PROGRAM_USER
    return f"access-token-{app.cookie_id}={token}"


PAGE = "frontend/index.html"
"""Gradio's template of the page."""

PREVIEW_TAGS = re.compile(r"<meta\s+(?:property=\"og:|name=\"twitter:)[^>]*/>\s*")
OWN_TAGS = """<title>{{ config['title'] }}</title>
		<meta name="description" content="{{ config['simple_description'] }}" />
		<meta property="og:type" content="website" />
		<meta property="og:url" content="{{ config['root'] }}/" />
		<meta property="og:title" content="{{ config['title'] }}" />
		<meta property="og:description" content="{{ config['simple_description'] }}" />
		<meta property="og:image" content="{{ config['root'] }}{{ config['thumbnail'] }}" />
		<meta name="twitter:card" content="summary_large_image" />
		"""


LOCALIZED = {
    "<!doctype html>": "{% set page = localize_page(request, config) %}<!doctype html>",
    'lang="en"': 'lang="{{ page.language }}" dir="{{ page.direction }}"',
    "window.gradio_config = {{ config | toorjson }}": "window.gradio_config = {{ page.config | toorjson }}",
    "</head>": """<script type="application/json" id="page-words">{{ page.words | toorjson }}</script>
		<script>{{ page.script | safe }}</script>
	</head>""",
}
"""What of the template depends on the visitor's language, and what stands in its place."""


def describe_page(
    demo: gr.Blocks, description: str, image: str, localize_page: Callable[[Request, dict[str, Any]], object]
) -> None:
    """Give the page of a mounted `demo` the visitor's language, and a preview for whoever links to it.

    image: the path of the preview's picture. localize_page: from a request and Gradio's config to what `LOCALIZED`
    shows. Gradio's template has no title, names a picture of its own on another host first, and is in English only;
    `head` is inserted by a script, which no preview runs.
    """
    cast(dict[str, Any], demo.config).update(simple_description=description, thumbnail=image)
    environment = routes.templates.env
    environment.globals["localize_page"] = localize_page
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, PAGE)
    if OWN_TAGS not in source:
        source = PREVIEW_TAGS.sub("", source).replace("<meta charset", f"{OWN_TAGS}<meta charset", 1)
        for english, localized in LOCALIZED.items():
            source = source.replace(english, localized, 1)
        # The page's policy runs no inline script without the nonce of its own response.
        source = re.sub(r"<script(?=[\s>])", '<script nonce="{{ page.nonce }}"', source)
        environment.loader = ChoiceLoader([DictLoader({PAGE: source}), environment.loader])
        if environment.cache is not None:
            environment.cache.clear()


# --- tools of assistants (Model Context Protocol) ---------------------------------------------------------------------


def has_mcp() -> bool:
    """Whether the package is installed with which Gradio offers the endpoints as tools of assistants."""
    return importlib.util.find_spec("mcp") is not None


class ToolSet(Protocol):
    """What `configure_mcp` needs of the app's tools: their names, the schemas of each, and the call of one."""

    @property
    def names(self) -> Collection[str]: ...
    def description(self, name: str) -> str: ...
    def input_schema(self, name: str) -> dict[str, Any]: ...
    def output_schema(self, name: str) -> dict[str, Any]: ...
    async def call(self, name: str, arguments: Mapping[str, Any], request: gr.Request | None) -> dict[str, Any]: ...


def configure_mcp(demo: gr.Blocks, tools: ToolSet) -> None:
    """Offer and run `tools` in place of the ones that Gradio derives from the endpoints.

    Gradio's schemas have no bounds and no results. Its calls go over the network, through a client that knows no
    password and calls whatever host the first request names. It also answers for prompts and resources, of which the
    app has none. No argument changes any of this.
    """
    server: Any = demo.mcp_server_obj
    if server is None:
        return
    types, mcp_server = server.types, server.mcp_server
    # An endpoint that is no tool of the app is left out: Gradio makes one of each.
    server.tool_to_endpoint = {
        tool: path for tool, path in server.tool_to_endpoint.items() if path.lstrip("/") in tools.names
    }
    names: dict[str, str] = {tool: path.lstrip("/") for tool, path in server.tool_to_endpoint.items()}
    """The app's name of each tool; on a Space an assistant's begins with that of the Space."""

    def list_tools_of(selected: list[str] | None) -> list[Any]:
        return [
            types.Tool(
                name=tool,
                description=tools.description(name),
                inputSchema=tools.input_schema(name),
                outputSchema=tools.output_schema(name),
                annotations=types.ToolAnnotations(readOnlyHint=True, openWorldHint=False),
            )
            for tool, name in names.items()
            if selected is None or tool in selected
        ]

    @mcp_server.list_tools()  # type: ignore[untyped-decorator]  # mcp does not type it
    async def list_tools() -> list[Any]:
        return list_tools_of(server.get_selected_tools_from_request())

    @mcp_server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]  # nor this; our sentences say more
    async def call_tool(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        selected = server.get_selected_tools_from_request()
        if tool not in names or (selected is not None and tool not in selected):
            raise ValueError(f"There is no tool {tool[:40]!r} here; expected one of {', '.join(names)}: choose one.")
        request = mcp_server.request_context.request
        return await tools.call(names[tool], arguments, None if request is None else gr.Request(request))

    for kind in ("ListResources", "ListResourceTemplates", "ReadResource", "ListPrompts", "GetPrompt"):
        mcp_server.request_handlers.pop(getattr(types, f"{kind}Request"), None)
    # What `/gradio_api/mcp/schema` answers with, which the Hub reads.
    server.get_fn_description = lambda block_fn, tool: (tools.description(names[tool]), {})
    server.get_input_schema = lambda tool, parameters=None: (tools.input_schema(names[tool]), [])
