"""Contract tests: each private or patched name of Gradio is what `gradio_compat` takes it for.

A failure here says which function of `hubcharlstm/demo/serving/gradio_compat.py` needs a new version of Gradio's name.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from fastapi import FastAPI
from fastapi.testclient import TestClient
from gradio import context, events, queueing, route_utils, routes, state_holder

from hubcharlstm.demo.page.localization import LocalizedPage
from hubcharlstm.demo.serving import gradio_compat
from tests.support.served import Served

DEMO = Path(gradio_compat.__file__).parents[1]


def contract(holds: bool, name: str, expectation: str, function: Callable[..., Any] | type) -> None:
    """Fail with one sentence unless Gradio still does what `function` relies on."""
    assert holds, (
        f"Gradio {gr.__version__}: {name} is not {expectation} any more; adapt {function.__name__} in gradio_compat.py."
    )


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


# --- events and sessions ----------------------------------------------------------------------------------------------


def test_event_data_holds_the_json_of_an_event() -> None:
    contract(parameters(gr.EventData) == ["target", "_data"], "gr.EventData", "made of target and _data",
             gradio_compat.event_data)  # fmt: skip
    sent = {"turn": "x", "target": 7}
    event = gr.EventData(None, sent)
    contract(vars(event).get("_data") is sent, "EventData._data", "the event's JSON", gradio_compat.event_data)
    data = gradio_compat.event_data(event)
    assert data == sent and data is not sent
    for other in (None, [], "text"):
        assert gradio_compat.event_data(gr.EventData(None, other)) == {}


def test_the_blocks_of_an_event_stand_in_a_context_variable(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    contract(hasattr(context.LocalContext, "blocks"), "LocalContext.blocks", "a context variable",
             gradio_compat.current_blocks)  # fmt: skip
    assert gradio_compat.current_blocks() is None
    seen: list[Any] = []
    original = gradio_compat.current_blocks
    monkeypatch.setattr(
        "hubcharlstm.demo.serving.backpressure.current_blocks", lambda: seen.append(original()) or seen[-1]
    )
    served.last("complete", prompt="To be", max_new_tokens=1)
    contract(seen == [served.demo], "LocalContext.blocks", "the Blocks of the event under way", original)


@pytest.mark.parametrize("name", ["pending_messages_per_session", "pending_event_ids_session", "event_ids_to_events"])
def test_the_queue_keeps_messages_and_events_by_session(name: str) -> None:
    with gr.Blocks() as demo:
        pass
    demo.queue()
    contract(isinstance(getattr(demo, "_queue", None), queueing.Queue), "Blocks._queue", "the queue of events",
             gradio_compat.message_queues)  # fmt: skip
    held = getattr(demo._queue, name, None)
    contract(hasattr(held, "pop") and hasattr(held, "__contains__") and not held, f"Blocks._queue.{name}",
             "a dictionary, empty at first", gradio_compat.evict_once)  # fmt: skip


def test_messages_wait_in_a_queue_of_their_session(served: Served) -> None:
    event_id = served.post("complete", prompt="To be", max_new_tokens=2_000).json()["event_id"]
    queues = gradio_compat.message_queues(served.demo)
    contract(event_id in queues, "Queue.pending_messages_per_session", "keyed by session", gradio_compat.message_queues)
    contract(isinstance(queues[event_id].qsize(), int), "a session's message queue", "one that has a qsize",
             gradio_compat.message_queues)  # fmt: skip
    sessions = [event.session_hash for event in served.demo._queue.event_ids_to_events.values()]
    contract(event_id in sessions, "Event.session_hash", "the session of an event", gradio_compat.evict_once)
    served.receive("complete", event_id)


def test_a_light_session_sets_every_attribute_of_gradios_own() -> None:
    with gr.Blocks() as demo:
        gr.Textbox()
    own, light = state_holder.SessionState(demo), gradio_compat.LightSession(demo)
    contract(vars(own).keys() == vars(light).keys(), "SessionState.__init__", f"what sets {sorted(vars(light))}",
             gradio_compat.LightSession)  # fmt: skip
    assert {key: value for key, value in vars(own).items() if key not in ("config_values", "blocks_config")} == {
        key: value for key, value in vars(light).items() if key not in ("config_values", "blocks_config")
    }
    assert own.config_values and not light.config_values
    for name, arguments in (("_update_config", ["self", "key"]), ("_update_value_in_config", ["self", "key", "value"])):
        method = getattr(state_holder.SessionState, name, None)
        contract(method is not None and parameters(method) == arguments, f"SessionState.{name}",
                 f"a method of {arguments}", gradio_compat.LightSession)  # fmt: skip


def test_the_holder_of_sessions_makes_them_on_demand() -> None:
    with gr.Blocks() as demo:
        pass
    for name in ("state_session_capacity", "default_config"):
        contract(hasattr(demo, name), f"Blocks.{name}", "an attribute", gradio_compat.LightSessions)
    demo.state_session_capacity = 2
    sessions = gradio_compat.LightSessions()
    sessions.set_blocks(demo)
    contract(sessions.capacity == 2, "StateHolder.set_blocks", "what reads state_session_capacity",
             gradio_compat.LightSessions)  # fmt: skip
    made = [sessions[name] for name in ("a", "b", "c")]
    contract(all(isinstance(one, gradio_compat.LightSession) for one in made), "StateHolder.__getitem__",
             "what keeps the session that is there", gradio_compat.LightSessions)  # fmt: skip
    contract(list(sessions.session_data) == ["b", "c"], "StateHolder.session_data", "bounded by the capacity",
             gradio_compat.LightSessions)  # fmt: skip


# --- the app ----------------------------------------------------------------------------------------------------------


def test_the_variables_that_switch_analytics_off_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENABLED", "MAX_EVENTS", "CACHE_FREQUENCY"):
        monkeypatch.setenv(f"GRADIO_ANALYTICS_{name}", "17")  # restored after the test
    gradio_compat.disable_analytics()
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    with gr.Blocks(analytics_enabled=False) as demo:
        pass
    demo.queue()
    queue = demo._queue
    contract(queue.ANALYTICS_MAX_EVENTS == 1, "GRADIO_ANALYTICS_MAX_EVENTS", "the bound of the table of calls",
             gradio_compat.disable_analytics)  # fmt: skip
    contract(10**9 in vars(queue).values(), "GRADIO_ANALYTICS_CACHE_FREQUENCY",
             "how many calls lie between two analyses", gradio_compat.disable_analytics)  # fmt: skip


def test_endpoints_are_added_by_a_function_with_these_arguments() -> None:
    needed = {"fn", "api_name", "api_description", "concurrency_limit", "queue"}
    contract(needed <= set(parameters(events.api)), "gradio.events.api", f"a function of {sorted(needed)}",
             gradio_compat.add_endpoint)  # fmt: skip


def test_the_slots_of_the_queue_are_an_attribute(served: Served) -> None:
    with gr.Blocks() as demo:
        pass
    contract(demo.max_threads == 40, "Blocks.max_threads", "an attribute with 40 slots at first",
             gradio_compat.set_job_slots)  # fmt: skip
    slots = served.demo.max_threads
    contract(slots > 500 and served.demo._queue.max_thread_count == slots, "Queue.max_thread_count",
             "taken from Blocks.max_threads by Blocks.queue", gradio_compat.set_job_slots)  # fmt: skip


def test_the_app_that_is_mounted_is_not_the_one_that_queue_made(served: Served) -> None:
    with gr.Blocks() as demo:
        pass
    demo.queue()
    made = demo.app
    host = FastAPI()
    gr.mount_gradio_app(host, demo, path="/")
    gradio_compat.adopt_mounted_app(demo, host)
    contract(isinstance(demo.app, routes.App) and demo.app is not made, "gr.mount_gradio_app",
             "what mounts an App of its own", gradio_compat.adopt_mounted_app)  # fmt: skip
    contract(isinstance(demo.app.state_holder, gradio_compat.LightSessions), "App.state_holder",
             "where the sessions are", gradio_compat.adopt_mounted_app)  # fmt: skip
    contract(isinstance(demo.app.stop_event, asyncio.Event), "App.stop_event", "an event",
             gradio_compat.end_heartbeats)  # fmt: skip
    gradio_compat.end_heartbeats(demo)
    assert demo.app.stop_event.is_set() and demo.is_running is False
    contract(served.demo.is_running is True, "Blocks.is_running", "true while it is served",
             gradio_compat.end_heartbeats)  # fmt: skip
    source = inspect.getsource(routes)
    contract("while blocks.is_running" in source and "app.stop_event.wait()" in source, "gradio.routes",
             "what ends streams by is_running and stop_event", gradio_compat.end_heartbeats)  # fmt: skip


def test_a_malformed_call_raises_one_of_these() -> None:
    contract(issubclass(route_utils.FnIndexInferError, Exception), "route_utils.FnIndexInferError", "an exception",
             gradio_compat.adopt_mounted_app)  # fmt: skip
    assert route_utils.FnIndexInferError in gradio_compat.CALL_ERRORS


def test_the_tools_are_handlers_of_an_mcp_server(served: Served) -> None:
    pytest.importorskip("mcp")
    server = getattr(served.demo, "mcp_server_obj", None)
    contract(server is not None, "Blocks.mcp_server_obj", "the server of tools", gradio_compat.configure_mcp)
    own = type(server)
    contract(server.tool_to_endpoint.get("complete") == "/complete", "GradioMCPServer.tool_to_endpoint",
             "the path of each tool's endpoint", gradio_compat.configure_mcp)  # fmt: skip
    contract(parameters(own.get_fn_description) == ["self", "block_fn", "tool_name"],
             "GradioMCPServer.get_fn_description", "a method of block_fn and tool_name",
             gradio_compat.configure_mcp)  # fmt: skip
    contract(parameters(own.get_input_schema) == ["self", "tool_name", "parameters"],
             "GradioMCPServer.get_input_schema", "a method of tool_name and parameters",
             gradio_compat.configure_mcp)  # fmt: skip
    contract(hasattr(own, "get_selected_tools_from_request"), "GradioMCPServer.get_selected_tools_from_request",
             "the tools that a request's address selects", gradio_compat.configure_mcp)  # fmt: skip
    handled = {kind.__name__ for kind in server.mcp_server.request_handlers}
    contract(handled == {"PingRequest", "ListToolsRequest", "CallToolRequest"}, "Server.request_handlers",
             "a dictionary by type of request", gradio_compat.configure_mcp)  # fmt: skip


def test_a_login_is_a_token_in_a_cookie() -> None:
    with gr.Blocks() as demo:
        pass
    host = FastAPI()
    gr.mount_gradio_app(host, demo, path="/", auth=lambda user, password: (user, password) == ("me", "secret"))
    gradio_compat.adopt_mounted_app(demo, host)
    contract(demo.app.tokens == {} and isinstance(demo.app.cookie_id, str), "App.tokens and App.cookie_id",
             "the logins and the name of their cookie", gradio_compat.has_login)  # fmt: skip
    client = TestClient(host)
    assert not gradio_compat.has_login(demo, {}) and client.get("/config").status_code == 401
    client.post("/login", data={"username": "me", "password": "secret"})
    contract(gradio_compat.has_login(demo, dict(client.cookies)), "App.login", "what sets the cookie of a token",
             gradio_compat.has_login)  # fmt: skip
    program = TestClient(host, headers={"cookie": gradio_compat.login_cookie(demo, "token")})
    contract(program.get("/config").status_code == 200, "App.get_current_user", "what looks up the cookie's token",
             gradio_compat.login_cookie)  # fmt: skip


# --- nobody else ------------------------------------------------------------------------------------------------------

PATCHED = {
    "state_holder", "session_data", "state_session_capacity", "default_config", "max_threads", "stop_event",
    "is_running", "mcp_server_obj", "tool_to_endpoint", "tokens", "cookie_id", "server_state",
}  # fmt: skip
"""Names without an underscore that Gradio and Uvicorn document nowhere."""

PUBLIC_MODULES = {"gradio", "gradio.themes"}
DOCUMENTED = {"os._exit"}
"""Public in spite of its name."""


def private_uses(path: Path) -> Iterator[str]:
    """Attributes with a leading underscore of anything but self and cls, patched names, and private modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            is_private = node.attr.startswith("_") and not node.attr.startswith("__")
            is_public = is_own or ast.unparse(node) in DOCUMENTED
            if (is_private or node.attr in PATCHED) and not is_public:
                yield f"{where}: {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "gradio":
            if node.module not in PUBLIC_MODULES:
                yield f"{where}: from {node.module}"
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.partition(".")[0] == "gradio" and name.name not in PUBLIC_MODULES:
                    yield f"{where}: import {name.name}"


def test_no_other_module_of_the_app_uses_a_private_name() -> None:
    adapters = {"gradio_compat.py", "gradio_oauth.py", "uvicorn_compat.py"}
    modules = [path for path in sorted(DEMO.rglob("*.py")) if path.name not in adapters]
    assert len(modules) > 20
    assert [use for path in modules for use in private_uses(path)] == []
    for name in adapters:
        assert list(private_uses(DEMO / "serving" / name)), "the search finds what the adapters use"


def test_gradio_is_pinned_to_the_minor_version_of_these_tests() -> None:
    project = (DEMO.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    major, minor, *_ = gr.__version__.split(".")
    for extra in ("gradio", "gradio[mcp]", "gradio[oauth]"):
        assert f'"{extra}>={major}.{minor},<{major}.{int(minor) + 1}"' in project


def test_the_page_is_a_template_with_tags_of_gradios_own() -> None:
    environment = routes.templates.env
    assert environment.loader is not None
    source = (Path(gr.__file__).parent / "templates" / "frontend" / "index.html").read_text(encoding="utf-8")
    contract("<title>" not in source and "<meta charset" in source and source.count('property="og:image"') == 2,
             gradio_compat.PAGE, "a page with two pictures and no title", gradio_compat.describe_page)  # fmt: skip
    assert not re.search('(?:property="og:|name="twitter:)', gradio_compat.PREVIEW_TAGS.sub("", source))
    used = ("title", "root")
    with gr.Blocks(title="t") as demo:
        pass
    gr.mount_gradio_app(FastAPI(), demo, path="/")
    contract(all(source.count(text) == 1 for text in gradio_compat.LOCALIZED),
             gradio_compat.PAGE, "one place for each part in a language", gradio_compat.describe_page)  # fmt: skip
    page = LocalizedPage("ar", "rtl", {"title": "ع"}, {}, "", "a-nonce")
    gradio_compat.describe_page(demo, "d", "/p.png", lambda request, config: page)
    contract(all(f"config['{name}']" in gradio_compat.OWN_TAGS for name in used) and demo.config["title"] == "t",
             "Blocks.config", "what the template shows", gradio_compat.describe_page)  # fmt: skip
    shown = environment.get_template(gradio_compat.PAGE).render(
        request=None, config={**demo.config, "root": "https://x"}, gradio_api_info={}
    )
    assert 'lang="ar" dir="rtl"' in shown and 'gradio_config = {"title":"ع"}' in shown
    assert '<meta property="og:image" content="https://x/p.png" />' in shown and "<title>t</title>" in shown
