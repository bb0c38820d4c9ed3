"""ASGI middleware: the page's Content-Security-Policy, and other headers by which a browser protects its visitor."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping

from hubcharlstm.demo.serving.middleware import App, Message, Receive, Scope, Send

NONCE = "hubcharlstm.nonce"
"""The key of a request's scope that holds the nonce of the page's own inline scripts."""

HUB = "https://huggingface.co"
"""The site that shows a Space in a frame."""

ORIGINS_VARIABLE = "HUBCHARLSTM_ALLOW_ORIGINS"
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*;,'\"]+")
"""As browsers send it: a scheme, a host and perhaps a port, in small letters and without a path."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


def content_policy(nonce: str, frames: Collection[str] = ()) -> str:
    """The policy of the page. frames: origins of the other pages that may show it in a frame.

    Gradio compiles the scripts of events and of `gr.HTML` by `AsyncFunction` ('unsafe-eval'), and writes styles into
    the page and into its elements ('unsafe-inline').
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            " ".join(("frame-ancestors 'self'", *frames)),
        )
    )


def allowed_origins(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The origins of other pages that may use the app, from HUBCHARLSTM_ALLOW_ORIGINS.

    Raises `ValueError` for what no browser sends as an origin, such as a name without its scheme, or a path.
    """
    named = environment.get(ORIGINS_VARIABLE, "")
    origins = tuple(origin.strip().lower() for origin in named.split(",") if origin.strip())
    if not all(map(ORIGIN.fullmatch, origins)):
        raise ValueError(
            f"{ORIGINS_VARIABLE} is {named[:100]!r}; expected origins such as https://chat.example, without a path and "
            "separated by commas: correct it, or unset it."
        )
    return origins


def framing_pages(environment: Mapping[str, str], origins: Collection[str]) -> tuple[str, ...]:
    """The other pages that may show the app in a frame: those of allowed origins, and on a Space the Hub's."""
    return (*([HUB] if environment.get("SPACE_ID") else []), *origins)


class SecurityHeadersMiddleware:
    """Sends the headers with every response. frames: as `content_policy` takes them."""

    def __init__(self, app: App, frames: Collection[str]) -> None:
        self.app, self.frames = app, frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        policy = (b"content-security-policy", content_policy(nonce, self.frames).encode("latin-1", "replace"))

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), policy, *HEADERS]}
            await send(message)

        await self.app({**scope, NONCE: nonce}, receive, send_protected)
