"""The headers by which a browser protects the visitor: what the page may load, run and be shown in."""

from __future__ import annotations

import re

import httpx
import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.serving.security_headers import allowed_origins
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served, serving


def policy_of(answer: httpx.Response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("path", ["/", "/config", "/healthz", "/v1/models", "/gradio_api/file=/x", "/preview.png"])
def test_every_response_carries_the_headers(served: Served, path: str) -> None:
    answer = httpx.get(served.url + path, timeout=30)
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "same-origin"
    policy = policy_of(answer)
    assert policy["default-src"] == "'none'" and policy["connect-src"] == "'self'" and policy["form-action"] == "'self'"
    assert not any(source in value for value in policy.values() for source in ("http", "*")), policy


def test_inline_scripts_run_by_the_nonce_of_their_own_response(served: Served) -> None:
    pages = [httpx.get(served.url + "/", timeout=30) for _ in range(2)]
    nonces = [re.findall(r'<script nonce="([\w-]{20,})"', page.text) for page in pages]
    assert pages[0].text.count("<script") == len(nonces[0]) > 3
    for page, found in zip(pages, nonces, strict=True):
        assert set(found) == {policy_of(page)["script-src"].partition("'nonce-")[2].partition("'")[0]}
        assert "'unsafe-inline'" not in policy_of(page)["script-src"]
    assert nonces[0] != nonces[1]


def test_the_hub_may_show_a_space_in_a_frame_and_nobody_an_app_at_home(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert policy_of(httpx.get(served.url + "/", timeout=30))["frame-ancestors"] == "'self'"
    monkeypatch.setenv("SPACE_ID", "user/space")
    monkeypatch.setenv("HUBCHARLSTM_ALLOW_ORIGINS", "https://friend.example")
    with serving(tiny_model()) as space:
        answer = httpx.get(space.url + "/", timeout=30)
    assert policy_of(answer)["frame-ancestors"] == "'self' https://huggingface.co https://friend.example"
    assert "x-frame-options" not in answer.headers


@pytest.mark.parametrize("wrong", ["friend.example", "https://friend.example/", "*", "null", "https://a.example; x"])
def test_what_no_browser_sends_as_an_origin_is_refused_at_the_start(wrong: str) -> None:
    """A name without its scheme, or with a slash behind it, was taken and never matched."""
    assert allowed_origins({}) == ()
    named = {"HUBCHARLSTM_ALLOW_ORIGINS": "https://Friend.example:8443, app://own,"}
    assert allowed_origins(named) == ("https://friend.example:8443", "app://own")
    with pytest.raises(ValueError, match=r"HUBCHARLSTM_ALLOW_ORIGINS is .*; expected origins such as"):
        allowed_origins({"HUBCHARLSTM_ALLOW_ORIGINS": f"https://good.example, {wrong}"})
