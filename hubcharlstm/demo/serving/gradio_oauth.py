"""Sign-in with Hugging Face on a Space: every private name of Gradio's OAuth, each with its reason.

Gradio holds a sign-in, with its token, in a signed session cookie of the visitor's browser and nowhere else.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from fastapi import Request
from fastapi.responses import RedirectResponse
from gradio import oauth
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

PACKAGES = ("authlib", "itsdangerous")
"""Of `gradio[oauth]`, which a Space's builder installs."""
VARIABLES = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
"""What the Hub sets on a Space whose README says `hf_oauth: true`."""
LOGIN_ROUTES = ("/login/huggingface", "/login/callback")


@dataclass(frozen=True)
class SignIn:
    """A visitor who has signed in. name: of the account. token: for requests to the Hub in this visitor's name."""

    name: str
    token: str = field(repr=False)


def has_sign_in(environment: Mapping[str, str]) -> bool:
    """Whether this is a Space with OAuth. Elsewhere Gradio's stand-in would call the Hub, for a token of no use."""
    is_space = environment.get("SYSTEM") == "spaces" and bool(environment.get("SPACE_ID"))
    is_configured = all(environment.get(name) for name in VARIABLES)
    return is_space and is_configured and all(importlib.util.find_spec(name) is not None for name in PACKAGES)


def add_sign_in() -> None:
    """Make Gradio serve its routes of the sign-in, inside a `gr.Blocks`.

    The button itself is not drawn: it returns to the chat, in English, whichever view it stands in. So it needs no
    event that tells it who has signed in, which would be an endpoint for programs.
    """
    button = gr.LoginButton(visible=False)
    button.load_event_to_attach = None


async def find_sign_in(demo: gr.Blocks, connection: HTTPConnection) -> SignIn | None:
    """The sign-in of the browser that a request comes from, None without a valid one.

    A route beside Gradio's app is not behind its session middleware, so that this runs a copy of it, which changes no
    cookie.
    """
    from starlette.middleware.sessions import SessionMiddleware

    layers: list[Any] = demo.app.user_middleware
    settings = next((one.kwargs for one in layers if one.cls is SessionMiddleware), None)
    if settings is None:
        return None
    scope = dict(connection.scope)
    await SessionMiddleware(_nothing, **settings)(scope, _no_message, _send_nothing)
    info = oauth._get_valid_oauth_info_from_session(scope["session"])
    if info is None:
        return None
    return SignIn(str(info["userinfo"]["preferred_username"]), str(info["access_token"]))


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def _no_message() -> Message:
    raise AssertionError("the session is in the headers")


async def _send_nothing(message: Message) -> None:
    pass


def sign_in_errors(page: str) -> dict[type[Exception], Callable[[Request, Exception], Awaitable[Any]]]:
    """FastAPI exception handlers: a sign-in that was refused, or that the provider did not answer, ends at `page`.

    Gradio answers those with a traceback and a 500.
    """
    if any(importlib.util.find_spec(name) is None for name in PACKAGES):
        return {}
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.httpx_client._compat import httpx2  # the client that it sends its requests with

    async def return_to_page(request: Request, error: Exception) -> RedirectResponse:
        if not urlsplit(str(request.url)).path.endswith(LOGIN_ROUTES):
            raise error
        logger.info("a sign-in has failed: %s", type(error).__name__)  # its text may hold what the provider sent
        return RedirectResponse(page)

    return {AuthlibBaseError: return_to_page, httpx2.HTTPError: return_to_page}
