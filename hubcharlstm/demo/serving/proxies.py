"""Who has sent a request, where reverse proxies stand between: which of them are believed, and the client's address."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

TRUSTED_VARIABLE = "HUBCHARLSTM_TRUSTED_PROXIES"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class TrustedProxies:
    """The proxies whose forwarding headers are believed. on_space: the Hub's own, which has no public address."""

    networks: tuple[Network, ...] = ()
    on_space: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read HUBCHARLSTM_TRUSTED_PROXIES: addresses and networks, separated by commas.

        Raises `ValueError` for anything else.
        """
        return cls(parse_networks(environment.get(TRUSTED_VARIABLE, "")), bool(environment.get("SPACE_ID")))

    def trusts(self, address: str) -> bool:
        """Whether an address is that of such a proxy."""
        parsed = parse_address(address)
        if parsed is None:
            return False
        return (self.on_space and not parsed.is_global) or any(
            parsed.version == network.version and parsed in network for network in self.networks
        )

    def client_address(self, peer: str, forwarded: Sequence[str]) -> str:
        """The address that limits count for: of IPv6 the network of 64 bits that one client has, "" for unknown.

        peer: the other end of the connection. forwarded: all lines of X-Forwarded-For, to whose end each proxy adds
        the address that it serves. A client can invent all entries before those of trusted proxies, so the last one
        that is none of theirs counts.
        """
        if self.trusts(peer):
            for hop in reversed(",".join(forwarded).split(",")):
                if parse_address(hop) is None:
                    break
                if not self.trusts(hop):
                    return client_network(hop)
        return client_network(peer)


@functools.lru_cache(maxsize=8)
def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks and addresses, separated by commas; raises `ValueError` for anything else."""
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(
            f"{TRUSTED_VARIABLE} is {text[:100]!r}; expected addresses or networks such as 127.0.0.1 or 10.0.0.0/8, "
            "separated by commas: correct it, or unset it."
        ) from None


def parse_address(text: str) -> Address | None:
    """An IP address, also with a port or in brackets; None for anything else."""
    text = text.strip()[:64]
    with_port = re.fullmatch(r"\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5}", text, re.ASCII)
    try:
        address = ipaddress.ip_address((with_port[1] or with_port[2]) if with_port else text)
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def client_network(text: str) -> str:
    """An address as limits count it; other text, such as the name of a test client, as it is."""
    address = parse_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return text if address is None else str(address)
