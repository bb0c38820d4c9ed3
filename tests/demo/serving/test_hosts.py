"""The names by which the app may be asked, and who may say that it has another one."""

from __future__ import annotations

import httpx
import pytest

pytest.importorskip("gradio")

from hubcharlstm.demo.serving.hosts import HostPolicy
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served, serving


@pytest.mark.parametrize(
    ("environment", "bound", "allowed", "refused"),
    [
        ({}, "127.0.0.1", "127.0.0.1:7860 localhost LOCALHOST:1 [::1]:7860 a.localhost localhost.", "evil.example x"),
        ({}, "127.0.0.1", "[::1] [::1]:", "[::1].evil.example [::1]x [::1]:x [::1 ["),
        ({}, "127.0.0.1", "127.9.9.9", "192.168.0.7 127.0.0.1.evil.example localhost.evil.example :: 0.0.0.0"),
        ({}, "192.168.0.7", "192.168.0.7:7860 localhost", "192.168.0.8 evil.example"),
        ({}, "0.0.0.0", "192.168.0.7:7860 0.0.0.0 [fd00::1]:80", "evil.example"),
        ({"HUBCHARLSTM_ALLOWED_HOSTS": "a.example, b.example"}, "127.0.0.1", "a.example:443 b.example", "c.example"),
        ({"HUBCHARLSTM_ALLOWED_HOSTS": "*"}, "127.0.0.1", "anything.example", ""),
        ({"GRADIO_ROOT_PATH": "https://chat.example/a"}, "127.0.0.1", "chat.example", "b.example"),
        ({"SPACE_ID": "u/s", "SPACE_HOST": "u-s.hf.space,own.example"}, "0.0.0.0",
         "u-s.hf.space own.example 10.1.2.3:7860 service localhost", "evil.example hf.space.evil.example"),
    ],
)  # fmt: skip
def test_which_names_are_the_apps_own(environment: dict[str, str], bound: str, allowed: str, refused: str) -> None:
    policy = HostPolicy.of(environment, bound)
    assert [name for name in allowed.split() if not policy.allows(name)] == []
    assert [name for name in refused.split() if policy.allows(name)] == []


def test_a_name_with_a_scheme_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"HUBCHARLSTM_ALLOWED_HOSTS is 'https://a\.example'; expected names such as"):
        HostPolicy.of({"HUBCHARLSTM_ALLOWED_HOSTS": "https://a.example"}, "127.0.0.1")


def test_a_name_that_was_bound_anew_to_this_machine_gets_nothing(served: Served) -> None:
    """Any Host was served: after DNS rebinding a page of any site read and sent what it wanted."""
    for path in ("/", "/config", "/healthz", "/gradio_api/info", "/v1/models"):
        answer = httpx.get(served.url + path, headers={"host": "evil.example:7860"})
        assert answer.status_code == 421 and "HUBCHARLSTM_ALLOWED_HOSTS" in answer.text, path
        assert answer.headers["content-type"] == "application/json"
    assert httpx.get(served.url + "/healthz", headers={"host": f"localhost:{served.port}"}).status_code == 200


@pytest.mark.parametrize("header", ["x-forwarded-host", "x-gradio-server"])
def test_the_root_of_the_page_follows_no_stranger(served: Served, header: str) -> None:
    """Its links followed X-Forwarded-Host of anybody."""
    value = "https://evil.example" if header == "x-gradio-server" else "evil.example"
    for path in ("/", "/config"):
        answer = httpx.get(served.url + path, headers={header: value, "x-forwarded-proto": "https"}, timeout=30)
        assert answer.status_code == 200 and "evil.example" not in answer.text
        assert f'"root":"{served.url}"' in answer.text


def test_the_root_of_the_page_follows_a_trusted_proxy_to_an_allowed_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBCHARLSTM_TRUSTED_PROXIES", "127.0.0.1")
    monkeypatch.setenv("HUBCHARLSTM_ALLOWED_HOSTS", "chat.example")
    with serving(tiny_model()) as served:
        root = {}
        for name in ("chat.example", "evil.example"):
            headers = {"x-forwarded-host": name, "x-forwarded-proto": "https"}
            root[name] = httpx.get(served.url + "/config", headers=headers, timeout=30).json()["root"]
        # Two lines: the first one, which Gradio follows, is the client's own, which a proxy has passed on.
        both = [("x-forwarded-host", "evil.example"), ("x-forwarded-host", "chat.example")]
        passed_on = httpx.get(served.url + "/config", headers=both, timeout=30).json()["root"]
    assert root == {"chat.example": "https://chat.example", "evil.example": served.url}
    assert passed_on == served.url
