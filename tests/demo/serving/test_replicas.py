"""The cookie that names a replica."""

from __future__ import annotations

import pytest

pytest.importorskip("gradio")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from hubcharlstm.demo.serving.replicas import COOKIE, ReplicaMiddleware, replica_name


def client() -> TestClient:
    async def answer(request: Request) -> PlainTextResponse:
        response = PlainTextResponse("here")
        response.set_cookie("another", "1")
        return response

    routes = [Route("/{path:path}", answer)]
    return TestClient(ReplicaMiddleware(Starlette(routes=routes), "b"))


def test_a_user_gets_the_cookie_once_beside_those_of_the_app() -> None:
    user = client()
    first = user.get("/")
    assert (first.cookies[COOKIE], first.cookies["another"]) == ("b", "1")
    cookie = next(value for value in first.headers.get_list("set-cookie") if value.startswith(COOKIE))
    assert cookie == f"{COOKIE}=b; Path=/; HttpOnly; SameSite=Lax"
    assert COOKIE not in user.get("/gradio_api/info").cookies


def test_the_cookie_of_another_replica_is_replaced() -> None:
    user = client()
    user.cookies.set(COOKIE, "a")
    assert user.get("/gradio_api/info").cookies[COOKIE] == "b"


def test_requests_that_any_replica_answers_move_nobody() -> None:
    user = client()
    assert COOKIE not in user.get("/v1/models").cookies
    user.cookies.set(COOKIE, "a")
    assert COOKIE not in user.get("/v1/completions").cookies


def test_an_app_alone_has_no_name() -> None:
    assert replica_name({}) == "" == replica_name({"HUBCHARLSTM_REPLICA": " "})
    assert replica_name({"HUBCHARLSTM_REPLICA": "a-1_B"}) == "a-1_B"


@pytest.mark.parametrize("name", ["a b", "a;b", "ä", "x" * 33, "a\nb"])
def test_a_name_that_no_cookie_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected up to 32 letters, digits, - and _"):
        replica_name({"HUBCHARLSTM_REPLICA": name})
