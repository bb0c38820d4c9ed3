"""One user name and password before the page, the API and the tools; `/healthz` stays open."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Self

import gradio as gr
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from hubcharlstm.demo.serving.admission import address_of
from hubcharlstm.demo.serving.attempts import MAX_WRONG, WITHIN_SECONDS, WrongPasswords
from hubcharlstm.demo.serving.gradio_compat import has_login, login_cookie

AUTH_VARIABLE = "HUBCHARLSTM_AUTH"

PUBLIC_PATHS = ("/", "/login", "/login/", "/logout", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json")
"""What Gradio's login page needs. "/" is that page until the visitor has logged in."""

PUBLIC_FOLDERS = ("/assets/", "/static/", "/svelte/")
"""Folders of Gradio's own package, which hold nothing of this app."""


@dataclass(frozen=True)
class Credentials:
    """The user name and password that the app asks for. Neither stands in a `repr`, a log or an error."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def of(cls, text: str | None) -> Self | None:
        """Parse USER:PASSWORD, by default that of HUBCHARLSTM_AUTH; None if there is neither.

        Raises `ValueError` for anything without a colon, or with nothing before or after it.
        """
        name = AUTH_VARIABLE if text is None else "--auth"
        text = os.environ.get(AUTH_VARIABLE, "") if text is None else text
        if name == AUTH_VARIABLE and not text:
            return None
        user, _, password = text.strip().partition(":")
        if not user.strip() or not password:
            raise ValueError(f"{name} holds no user name and password; expected USER:PASSWORD: correct it.")
        return cls(user.strip(), password)

    def match(self, user: str, password: str) -> bool:
        """Whether a login is the right one. Takes the same time for every wrong one."""
        return is_equal(user.encode("utf-8", "replace"), self.user.encode()) & is_equal(
            password.encode("utf-8", "replace"), self.password.encode()
        )

    def match_bearer(self, authorization: bytes) -> bool:
        """Whether a header `Authorization: Bearer ...` holds the password or USER:PASSWORD."""
        scheme, _, token = authorization.strip().partition(b" ")
        accepted = (self.password.encode(), f"{self.user}:{self.password}".encode())
        is_right = [is_equal(token.strip(), one) for one in accepted]
        return scheme.lower() == b"bearer" and any(is_right)


def is_equal(given: bytes, expected: bytes) -> bool:
    """Compare in a time that depends on neither: not on where they differ, nor on the length of `expected`."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())


class Authenticator:
    """Admits requests to a served `gr.Blocks` that come from a login on its page or carry the password."""

    def __init__(self, credentials: Credentials, demo: gr.Blocks) -> None:
        self._credentials, self._demo = credentials, demo
        self._token = secrets.token_urlsafe(32)
        self._wrong = WrongPasswords()
        self._address: ContextVar[str] = ContextVar("address", default="")

    def match(self, user: str, password: str) -> bool:
        """Whether a login on the page is the right one, for Gradio, which does not tell whose it is.

        None is while its address has to wait: many may have been admitted together, before the first was wrong.
        """
        address = self._address.get()
        is_right = self._credentials.match(user, password)
        if not is_right:
            self._wrong.add(address)
        return is_right and not self._wrong.seconds_to_wait(address)

    def admit(self, scope: Scope, path: str) -> Scope:
        """The scope to go on with; raises `HTTPException` with status 401 for a request without the password, and 429
        after too many wrong ones.

        A program's password becomes a login, since Gradio's own routes know no other.
        """
        address = address_of(HTTPConnection(scope))
        self._address.set(address)
        authorization = next((value for key, value in scope["headers"] if key == b"authorization"), b"")
        tries_bearer = authorization.lower().startswith(b"bearer ")
        if tries_bearer or (path.rstrip("/") == "/login" and scope["method"] == "POST"):
            self._check_attempts(address)
        if self._credentials.match_bearer(authorization):
            headers = [(key, value) for key, value in scope["headers"] if key not in (b"cookie", b"authorization")]
            return {**scope, "headers": [*headers, (b"cookie", login_cookie(self._demo, self._token).encode())]}
        is_public = path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDERS) or scope["method"] == "OPTIONS"
        if is_public or has_login(self._demo, HTTPConnection(scope).cookies):
            return scope
        if tries_bearer:
            self._wrong.add(address)
        what = "The password is wrong" if tries_bearer else "A password is missing"
        raise HTTPException(
            401,
            f"{what}; expected it as 'Authorization: Bearer PASSWORD', or a login on the page: ask who runs this app.",
            headers={"www-authenticate": "Bearer"},
        )

    def _check_attempts(self, address: str) -> None:
        """Raise `HTTPException` with status 429 for an address that was wrong too often, whatever it sends now."""
        if seconds := self._wrong.seconds_to_wait(address):
            raise HTTPException(
                429,
                f"Your network address has sent {MAX_WRONG} wrong passwords within {WITHIN_SECONDS / 60:.0f} minutes; "
                f"expected fewer: try again in {seconds} seconds.",
                headers={"retry-after": str(seconds)},
            )
