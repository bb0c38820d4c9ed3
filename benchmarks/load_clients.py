"""Clients for the load test: each a connection of its own over plain asyncio, which costs little CPU.

A program calls `/gradio_api/call/v2/...`; a page joins the queue with its own event, as the browser does.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

LIMIT = 2**24


@dataclass
class Visit:
    """What one client saw. Times in seconds since it began; a refused one has the sentence and text ""."""

    first: float | None = None
    done: float = 0.0
    updates: int = 0
    text: str = ""
    sentence: str = ""
    failed: str = ""
    began: float = field(default_factory=time.perf_counter)

    @property
    def is_busy(self) -> bool:
        return "busy" in self.sentence

    def see(self, text: str) -> None:
        self.updates += 1
        self.text = text
        if text and self.first is None:
            self.first = time.perf_counter() - self.began


class Connection:
    """One connection to the app, kept for several requests. cookie: sent with each; head: of the last answer."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.port, self.cookie, self.head = port, cookie, ""

    async def __aenter__(self) -> Connection:
        self.incoming, self.outgoing = await asyncio.open_connection("127.0.0.1", self.port, limit=LIMIT)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.outgoing.close()

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, AsyncIterator[bytes]]:
        """(status, the answer's pieces as they come)."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        head += f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        self.outgoing.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        self.head = (await self.incoming.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        return int(self.head.split()[1]), self._pieces(self.head)

    async def _pieces(self, head: str) -> AsyncIterator[bytes]:
        if "content-length:" in head:
            yield await self.incoming.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
            return
        while size := int(await self.incoming.readuntil(b"\n"), 16):  # raises IncompleteReadError where it breaks off
            yield (await self.incoming.readexactly(size + 2))[:-2]
        await self.incoming.readexactly(2)

    async def json(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, pieces = await self.ask(method, path, body)
        return status, json.loads(b"".join([piece async for piece in pieces]))

    async def events(self, path: str) -> AsyncIterator[dict[str, str]]:
        """Server-sent events as {"event": ..., "data": ...}."""
        _, pieces = await self.ask("GET", path)
        async for event in parse_events(pieces):
            yield event


async def parse_events(pieces: AsyncIterator[bytes]) -> AsyncIterator[dict[str, str]]:
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n\n")
        for one in whole:
            yield dict(line.split(": ", 1) for line in one.decode().split("\n") if ": " in line)


async def open_page(port: int, cookie: str = "") -> str:
    """Load the page; returns the visitor's cookie of a replica, which is another one if theirs does not answer."""
    async with Connection(port, cookie) as connection:
        _, pieces = await connection.ask("GET", "/")
        async for _ in pieces:
            pass
    found = re.search(r"set-cookie: (hubcharlstm_replica=[\w-]+)", connection.head)
    return found[1] if found else cookie


async def call(port: int, name: str, arguments: dict[str, Any], visit: Visit) -> None:
    """Call an endpoint as a program does."""
    async with Connection(port) as connection:
        status, answer = await connection.json("POST", f"/gradio_api/call/v2/{name}", arguments)
        if status != 200:
            visit.failed = f"{status} {answer}"
            return
        async for event in connection.events(f"/gradio_api/call/v2/{name}/{answer['event_id']}"):
            if event.get("event") in ("generating", "complete"):
                value = json.loads(event["data"])[0]
                visit.see(value["text"] if isinstance(value, dict) else value)
            elif event.get("event") == "error":
                visit.text, visit.sentence = "", str((json.loads(event["data"]) or {}).get("error"))
    visit.done = time.perf_counter() - visit.began


async def find_page(port: int) -> dict[str, Any]:
    """The function index and the inputs of the page's message event."""
    async with Connection(port) as connection:
        _, config = await connection.json("GET", "/config")
    event = next(one for one in config["dependencies"] if one["targets"] and one["targets"][0][1] == "generate")
    parts = {one["id"]: one["props"].get("elem_id") for one in config["components"]}
    return {"fn_index": event["id"], "inputs": [parts[part] for part in event["inputs"]]}


async def page(
    port: int, found: dict[str, Any], length: int, visit: Visit, *, leave_after: float | None = None, cookie: str = ""
) -> None:
    """A message on the page at reading pace. leave_after: seconds after which the tab is closed."""
    values = {"field-temperature": 0.8, "field-length": length, "full-speed": False, "field-stop": ""}
    values |= {"field-top-k": 0, "field-top-p": 1, "field-min-p": 0}
    session = uuid.uuid4().hex[:12]
    body = {
        "data": [values.get(name) for name in found["inputs"]],
        "fn_index": found["fn_index"],
        "session_hash": session,
        "event_data": {"turn": uuid.uuid4().hex, "typed": "To be, or not to be"},
    }
    async with Connection(port, cookie) as connection:
        status, answer = await connection.json("POST", "/gradio_api/queue/join", body)
        if status != 200:
            visit.failed = f"{status} {answer}"
            return
        text = ""
        async for event in connection.events(f"/gradio_api/queue/data?session_hash={session}"):
            message = json.loads(event["data"])
            if message["msg"] not in ("process_generating", "process_completed"):
                continue
            if not message["success"]:
                visit.failed = str(message["output"])
            text += new_text(message)
            if text != visit.text:
                visit.see(text)
            visit.sentence = visit.sentence or find_sentence(message)
            if leave_after is not None and time.perf_counter() - visit.began > leave_after:
                return
    visit.done = time.perf_counter() - visit.began


def new_text(message: dict[str, Any]) -> str:
    """What an update adds to the first reply: Gradio sends the ends of texts that grow, as paths into the value."""
    data = (message["output"].get("data") or [None])[0]
    if message["msg"] == "process_generating" and isinstance(data, list):
        at_reply = [edit for edit in data if edit[1][-3:] == ["replies", 0, "text"] and edit[0] == "append"]
        return "".join(edit[2] for edit in at_reply)
    return ""


def find_sentence(message: dict[str, Any]) -> str:
    data = message["output"].get("data") or [None]
    whole = json.dumps(data[0])
    return str(data[0].get("sentence", "")) if isinstance(data[0], dict) else whole if "busy" in whole else ""
