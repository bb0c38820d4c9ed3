"""The endpoints as tools of an assistant: what Gradio's MCP server is told to do otherwise."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import gradio as gr


def has_mcp() -> bool:
    """Whether the package that makes the app a tool of assistants is installed."""
    return importlib.util.find_spec("mcp") is not None


def settle_tools(demo: gr.Blocks, host: str, port: int) -> None:
    """Let the tools of `demo` answer in JSON, and call the app itself, not whatever host a request names."""
    server: Any = demo.mcp_server_obj
    if server is None:
        return
    server._local_url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{port}/"

    def in_json(answers: list[Any], root_url: str) -> list[Any]:
        """Gradio would write Python's form, and look in every answer for pictures to store."""
        return [server.types.TextContent(type="text", text=json.dumps(one, ensure_ascii=False)) for one in answers]

    server.postprocess_output_data = in_json
