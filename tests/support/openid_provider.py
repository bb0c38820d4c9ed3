"""A stand-in for the sign-in of Hugging Face on a loopback port: an OpenID provider as Gradio's OAuth speaks to it.

Its page to authorize has a link for each account and one that cancels; each account's access token is one that the
loopback Hub knows. Codes are good for one use, by the client with the secret.
"""

from __future__ import annotations

import base64
import html
import json
import secrets
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwk, jwt

CLIENT_ID = "client-of-the-space"
CLIENT_SECRET = "secret-of-the-space"
SCOPES = "openid profile contribute-repos"


class OpenIDProvider:
    """accounts: access tokens by names. seconds: that a sign-in lasts."""

    def __init__(self, accounts: Mapping[str, str], *, seconds: int = 28_800) -> None:
        self.accounts, self.seconds = dict(accounts), seconds
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}, private=True)
        self.codes: dict[str, dict[str, str]] = {}
        handler = type("Handler", (_Handler,), {"provider": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What the Hub sets on a Space."""
        return {
            "OAUTH_CLIENT_ID": CLIENT_ID,
            "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
            "OAUTH_SCOPES": SCOPES,
            "OPENID_PROVIDER_URL": self.url,
        }

    def __enter__(self) -> Self:
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # --- what it answers ---

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/oauth/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "userinfo_endpoint": f"{self.url}/oauth/userinfo",
            "jwks_uri": f"{self.url}/oauth/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def consent_page(self, query: Mapping[str, str]) -> str:
        """A link for each account, which leads back with a code, and one that leads back without."""
        assert query["client_id"] == CLIENT_ID and query["response_type"] == "code" and query["scope"] == SCOPES
        links = []
        for name in self.accounts:
            code = secrets.token_urlsafe(16)
            self.codes[code] = {"name": name, "redirect_uri": query["redirect_uri"], "nonce": query["nonce"]}
            links.append((name, {"code": code, "state": query["state"]}))
        links.append(("Cancel", {"error": "access_denied", "state": query["state"]}))
        return "".join(
            f'<p><a href="{html.escape(back_to(query["redirect_uri"], answer))}">{label}</a></p>'
            for label, answer in links
        )

    def token(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """The tokens for a code; raises `KeyError` for one that is unknown or used."""
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        assert authorization == f"Basic {expected}"
        granted = self.codes.pop(form["code"])
        assert form["grant_type"] == "authorization_code" and form["redirect_uri"] == granted["redirect_uri"]
        name, now = granted["name"], int(time.time())
        claims = {
            **self.userinfo(name), "iss": self.url, "aud": CLIENT_ID, "nonce": granted["nonce"], "iat": now,
            "exp": now + 3_600,
        }  # fmt: skip
        return {
            "access_token": self.accounts[name],
            "token_type": "bearer",
            "expires_in": self.seconds,
            "scope": SCOPES,
            "id_token": jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key),
        }

    def userinfo(self, name: str) -> dict[str, Any]:
        page = f"{self.url}/{name}"
        return {"sub": name, "name": name.title(), "preferred_username": name, "profile": page, "picture": page}


def back_to(redirect_uri: str, answer: Mapping[str, str]) -> str:
    return f"{redirect_uri}{'&' if urlsplit(redirect_uri).query else '?'}{urlencode(answer)}"


class _Handler(BaseHTTPRequestHandler):
    provider: OpenIDProvider

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/.well-known/openid-configuration":
            self.send_json(self.provider.metadata())
        elif url.path == "/oauth/authorize":
            self.send(200, "text/html", self.provider.consent_page(first_values(url.query)))
        elif url.path == "/oauth/jwks":
            self.send_json({"keys": [self.provider.key.as_dict(private=False)]})
        elif url.path == "/oauth/userinfo":
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            names = [name for name, known in self.provider.accounts.items() if known == token]
            self.send_json(self.provider.userinfo(names[0]) if names else {}, 200 if names else 401)
        else:  # a browser asks for a picture of the site
            self.send(204, "text/plain", "")

    def do_POST(self) -> None:
        form = first_values(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        try:
            self.send_json(self.provider.token(form, self.headers.get("Authorization", "")))
        except KeyError:
            self.send_json({"error": "invalid_grant"}, 400)

    def send_json(self, value: object, status: int = 200) -> None:
        self.send(status, "application/json", json.dumps(value))

    def send(self, status: int, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def first_values(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
