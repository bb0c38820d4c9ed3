"""What Gradio keeps of every visitor, made small: it never forgets by itself what it once opened for a request."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from copy import copy
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

MAX_SESSIONS = 1_000
"""Sessions that are remembered; of an older one the page's model menu alone forgets which model served last."""

SWEEP_SECONDS = 30.0


def event_data(event: gr.EventData) -> dict[str, Any]:
    """The JSON object that the page sent with an event, {} if it sent none.

    `gr.EventData` gives public access by attribute only, which fails for a missing key and for the key "target".
    """
    data = event._data
    return dict(data) if isinstance(data, dict) else {}


class Session(SessionState):
    """One visitor's: without the copy of the page, with all that was written on it, that Gradio keeps for links to it.

    Otherwise every part of the page is described anew for each request of a program.
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


class Sessions(StateHolder):
    """All visitors' sessions."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)


def keep_small(demo: gr.Blocks) -> None:
    """Let the app that serves `demo` remember `MAX_SESSIONS` in little space."""
    demo.state_session_capacity = MAX_SESSIONS
    sessions = Sessions()
    sessions.set_blocks(demo)
    demo.app.state_holder = sessions


async def evict_idle(demo: gr.Blocks) -> None:
    """Forget, again and again, the sessions in which nothing was under way for a while, with what nobody has read."""
    idle: set[str] = set()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        idle = evict_idle_once(demo._queue, idle)


def evict_idle_once(queue: Any, idle: set[str]) -> set[str]:
    """Forget the sessions that were `idle` at the sweep before and still are; returns those that are idle now."""
    events, boxes = queue.pending_event_ids_session, queue.pending_messages_per_session
    under_way = {event.session_hash for event in queue.event_ids_to_events.values()}
    now = {session for session in (*events, *boxes) if session not in under_way}
    for session in now & idle:
        events.pop(session, None)
        boxes.pop(session, None)
    return now - idle


def has_mcp() -> bool:
    """Whether the package that makes the app a tool of assistants is installed."""
    return importlib.util.find_spec("mcp") is not None


def configure_mcp(demo: gr.Blocks, host: str, port: int) -> None:
    """Let the tools of `demo` answer in JSON, and call the app itself, not whatever host a request names."""
    server: Any = demo.mcp_server_obj
    if server is None:
        return
    server._local_url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{port}/"

    def in_json(answers: list[Any], root_url: str) -> list[Any]:
        """Gradio would write Python's form, and look in every answer for pictures to store."""
        return [server.types.TextContent(type="text", text=json.dumps(one, ensure_ascii=False)) for one in answers]

    server.postprocess_output_data = in_json
