"""Every private or patched name of Gradio, each with its reason. Nothing else in `demo` may touch one.

Gradio is pinned to one minor version; `tests/demo/serving/test_gradio_compat.py` holds one contract test for each name.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Protocol, cast

import gradio as gr
from fastapi import FastAPI
from gradio import routes
from gradio.context import LocalContext
from gradio.events import api
from gradio.route_utils import FnIndexInferError
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder
from jinja2 import ChoiceLoader, DictLoader
from starlette.routing import Mount

MAX_SESSIONS = 1_000
"""Sessions that Gradio remembers; an evicted one forgets only which model the page's menu showed last."""

EVICTION_SECONDS = 30.0
"""Between two evictions of idle message queues; a queue is dropped if it is idle at two in a row."""

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


def describe_page(demo: gr.Blocks, description: str, image: str) -> None:
    """Give the page of a mounted `demo` a title, a description and a picture for whoever links to it.

    image: its path. Gradio's template has no title, and names a picture of its own on another host first; `head` is
    inserted by a script, which no preview runs.
    """
    cast(dict[str, Any], demo.config).update(simple_description=description, thumbnail=image)
    environment = routes.templates.env
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, PAGE)
    if OWN_TAGS not in source:
        source = PREVIEW_TAGS.sub("", source).replace("<meta charset", f"{OWN_TAGS}<meta charset", 1)
        environment.loader = ChoiceLoader([DictLoader({PAGE: source}), environment.loader])
        if environment.cache is not None:
            environment.cache.clear()


# --- tools of assistants (Model Context Protocol) ---------------------------------------------------------------------


def has_mcp() -> bool:
    """Whether the package is installed with which Gradio offers the endpoints as tools of assistants."""
    return importlib.util.find_spec("mcp") is not None


def configure_mcp(demo: gr.Blocks, host: str, port: int) -> None:
    """Let the tools of `demo` answer in JSON and call this server.

    Gradio would call whatever host the first request names, and would write an answer as Python's repr after searching
    it for images to store. No argument changes either.
    """
    server: Any = demo.mcp_server_obj
    if server is None:
        return
    server._local_url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{port}/"

    def as_json(answers: list[Any], root_url: str) -> list[Any]:
        return [server.types.TextContent(type="text", text=json.dumps(one, ensure_ascii=False)) for one in answers]

    server.postprocess_output_data = as_json
