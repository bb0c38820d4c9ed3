"""Contract tests: each private name of Gradio's OAuth is what `gradio_oauth` takes it for."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import pytest

gr = pytest.importorskip("gradio")
pytest.importorskip("authlib")

import itsdangerous
from fastapi import FastAPI
from fastapi.testclient import TestClient
from gradio import oauth
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

from hubcharlstm.demo.serving import gradio_compat, gradio_oauth

SPACE = {"SYSTEM": "spaces", "SPACE_ID": "user/space", **dict.fromkeys(gradio_oauth.VARIABLES, "set")}


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A page with a sign-in, as on a Space; its provider cannot be reached."""
    for name, value in {**SPACE, "OPENID_PROVIDER_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
        if hasattr(oauth, name):  # read when Gradio was imported
            monkeypatch.setattr(oauth, name, value)
    monkeypatch.delenv("SPACE_HOST", raising=False)
    with gr.Blocks() as blocks:
        gradio_oauth.add_sign_in()
    host = FastAPI()
    handlers = gradio_oauth.sign_in_errors("/#make=sign-in-failed")
    gr.mount_gradio_app(host, blocks, path="/", app_kwargs={"exception_handlers": handlers})
    gradio_compat.adopt_mounted_app(blocks, host)
    blocks.host = host
    return blocks


def cookie_of(demo: Any, session: dict[str, Any]) -> str:
    """A session cookie as Gradio signs it."""
    settings = next(one.kwargs for one in demo.app.user_middleware if one.cls is SessionMiddleware)
    signer = itsdangerous.TimestampSigner(settings["secret_key"])
    return signer.sign(base64.b64encode(json.dumps(session).encode())).decode()


def found(demo: Any, cookie: str) -> gradio_oauth.SignIn | None:
    headers = [(b"cookie", f"session={cookie}".encode())] if cookie else []
    connection = HTTPConnection({"type": "http", "headers": headers})
    return asyncio.run(gradio_oauth.find_sign_in(demo, connection))


def session(**changes: Any) -> dict[str, Any]:
    info = {"access_token": "a-token", "scope": "openid", "expires_at": time.time() + 60}
    return {"oauth_info": {**info, "userinfo": {"preferred_username": "ann"}, **changes}}


def test_a_sign_in_is_found_in_the_cookie_that_gradio_signs_and_nowhere_else(demo: Any) -> None:
    signed_in = found(demo, cookie_of(demo, session()))
    assert signed_in is not None and (signed_in.name, signed_in.token) == ("ann", "a-token")
    assert "a-token" not in repr(signed_in)
    assert found(demo, "") is None
    assert found(demo, cookie_of(demo, {})) is None
    assert found(demo, cookie_of(demo, session(expires_at=time.time() - 1))) is None
    forged = base64.b64encode(json.dumps(session()).encode()).decode()
    assert found(demo, forged) is None and found(demo, f"{forged}.aaaa.bbbb") is None


def test_a_page_without_a_sign_in_takes_no_cookie() -> None:
    with gr.Blocks() as blocks:
        pass
    host = FastAPI()
    gr.mount_gradio_app(host, blocks, path="/")
    gradio_compat.adopt_mounted_app(blocks, host)
    assert not blocks.expects_oauth
    assert found(blocks, "anything") is None


def test_only_a_space_with_oauth_has_a_sign_in() -> None:
    assert gradio_oauth.has_sign_in(SPACE)
    assert not gradio_oauth.has_sign_in({})
    for name in SPACE:
        assert not gradio_oauth.has_sign_in({**SPACE, name: ""}), name


def test_a_provider_that_does_not_answer_and_a_refusal_end_at_the_page(demo: Any) -> None:
    """Gradio answers with a traceback and a 500."""
    client = TestClient(demo.host, follow_redirects=False)
    for path in ("/login/huggingface", "/login/callback?error=access_denied&state=x"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, "/#make=sign-in-failed"), path


def test_the_sign_in_adds_no_endpoint_for_programs(demo: Any) -> None:
    assert demo.get_api_info()["named_endpoints"] == {}
