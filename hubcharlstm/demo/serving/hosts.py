"""ASGI middleware: the names by which the app may be asked, and forwarding headers of trusted proxies alone.

A page of another site whose name is bound anew to this machine (DNS rebinding) has the app's own origin for a browser;
only the header Host tells that it asked for another name.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from hubcharlstm.demo.serving.middleware import App, Receive, Scope, Send, refusal
from hubcharlstm.demo.serving.proxies import TrustedProxies, parse_address

logger = logging.getLogger(__name__)

HOSTS_VARIABLE = "HUBCHARLSTM_ALLOWED_HOSTS"

FORWARDING = (b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server")
"""Headers from which Gradio makes the root of the page's own links."""

BRACKETED = re.compile(r"\[([^\[\]]*)\](?::\d*)?")
"""An IPv6 address, perhaps with a port."""

HUB_DOMAINS = (".hf.space", ".huggingface.co", ".hf.co")


@dataclass(frozen=True)
class HostPolicy:
    """names: the allowed names, in small letters; "*" allows every one. bound: the address that the app listens at.

    on_space: whether names of the Hub and of its own network are allowed, too.
    """

    names: frozenset[str]
    bound: str = "127.0.0.1"
    on_space: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str], bound: str) -> Self:
        """The names of this machine, of the Space, of GRADIO_ROOT_PATH, and those of HUBCHARLSTM_ALLOWED_HOSTS.

        Raises `ValueError` for a name that has a scheme or a path.
        """
        allowed = environment.get(HOSTS_VARIABLE, "")
        named = [name.strip() for text in (allowed, environment.get("SPACE_HOST", "")) for name in text.split(",")]
        if any("/" in name for name in named):
            raise ValueError(
                f"{HOSTS_VARIABLE} is {allowed[:100]!r}; expected names such as chat.example, separated by commas: "
                "correct it, or unset it."
            )
        machine = socket.gethostname()
        named += [machine, f"{machine}.local"] if is_any_address(bound) else [bound]
        named += [urlsplit(environment.get("GRADIO_ROOT_PATH", "")).hostname or ""]
        return cls(frozenset(map(host_name, filter(None, named))), bound, bool(environment.get("SPACE_ID")))

    def allows(self, host: str) -> bool:
        """Whether the app may be asked by a name, given with or without a port."""
        name = host_name(host)
        if name in self.names or "*" in self.names or name == "localhost" or name.endswith(".localhost"):
            return True
        if (address := parse_address(name)) is not None:  # which no other site can bind anew
            return address.is_loopback or is_any_address(self.bound) or self.on_space
        return self.on_space and ("." not in name or name.endswith(HUB_DOMAINS))


class HostMiddleware:
    """Refuses requests for other names with status 421, and removes forwarding headers that nobody trusted has set."""

    def __init__(self, app: App, policy: HostPolicy) -> None:
        self.app, self.policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"host"), "")
        if host and not self.policy.allows(host):
            sentence = (
                f"The app is asked by the name {host[:100]!r}; expected one of its own: whoever runs it names it "
                f"in {HOSTS_VARIABLE}."
            )
            logger.info("refused a request: %s", sentence)
            await refusal(scope["path"], HTTPException(421, sentence))(scope, receive, send)
            return
        await self.app({**scope, "headers": self._believed(scope)}, receive, send)

    def _believed(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """The headers without forwarding ones that are not believed.

        What is removed leaves a Via behind: the request did not come straight from a browser.
        """
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        sent = {key for key, _ in headers if key in FORWARDING}
        if not sent:
            return headers
        peer = scope["client"][0] if scope.get("client") else ""
        lines = [value.decode("latin-1") for key, value in headers if key == b"x-forwarded-host"]
        names = filter(None, (line.split(",")[0].strip() for line in lines))  # Gradio follows that of the first line
        is_trusted = TrustedProxies.of(os.environ).trusts(peer) and b"x-gradio-server" not in sent
        if is_trusted and all(map(self.policy.allows, names)):
            return headers
        logger.info("ignored %s of %s", ", ".join(sorted(key.decode() for key in sent)), peer)
        return [*((key, value) for key, value in headers if key not in FORWARDING), (b"via", b"1.1 unknown")]


def host_name(host: str) -> str:
    """The name or address in a Host header, without its port; one that is malformed stays as it is."""
    host = host.strip().lower()
    if host.startswith("["):
        bracketed = BRACKETED.fullmatch(host)
        return bracketed[1] if bracketed else host
    is_bare_ipv6 = host.count(":") > 1
    return host.rstrip(".") if is_bare_ipv6 else host.partition(":")[0].rstrip(".")


def is_any_address(host: str) -> bool:
    """Whether an address to listen at stands for all of the machine's."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
