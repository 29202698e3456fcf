"""The client's address and scheme as trusted proxies report them.

A proxy header is read from the right, up to the first address that is not a trusted proxy: trusted proxies
wrote that part of it. Only the header that the proxies are configured to write is read, because a client can
send the other one.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from msgspec import Struct

from shared.edge.client_address.forwarded_header import elements_of
from shared.edge.request_context import RequestContext
from shared.kit.http.asgi import Scope

log = logging.getLogger(__name__)

ProxyHeader = Literal["x-forwarded-for", "forwarded"]
Address = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""The network of a peer without an address (a local socket)."""

_HOPS_MAX = 32
_ADDRESS_MAX_CHARS = 64
"""The longest IPv6 address has 45 characters, with a port and brackets 53."""
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\w+)?|([0-9.]+)(?::\w+)?")


class Hop(Struct, frozen=True):
    """The client of one proxy: its address, and `http` or `https`."""

    address: Address | None
    scheme: str | None


class TrustedProxies:
    """The networks of the trusted proxies, and the header that they write."""

    def __init__(self, trusted: Sequence[str], header: ProxyHeader) -> None:
        self._trusted = tuple(ip_network(text) for text in trusted)
        self._forwarded = header == "forwarded"
        self._warned = False

    def network_of(self, context: RequestContext) -> str:
        """Return the network that the caller is counted by: its IPv4 address or IPv6 /64."""
        if not context.network:
            peer = _peer_of(context.scope)
            if self._trusted and self._trusts(_parsed(peer)):
                context.network = network_name(self._walk(context.scope, peer).address)
            else:
                self._warn(context, peer)
                context.network = _network_of_peer(peer)
        return context.network

    def scheme_of(self, scope: Scope) -> str:
        """Return the scheme that the client used, `http` or `https`; only trusted proxies are believed."""
        peer = _peer_of(scope)
        if not self._trusts(_parsed(peer)):
            return str(scope["scheme"])
        return self._walk(scope, peer).scheme or scope["scheme"]

    def _warn(self, context: RequestContext, peer: str) -> None:
        """Warn once of a peer that is most likely a proxy missing in the settings."""
        if not self._warned and came_by_proxy(context):
            self._warned = True
            log.warning(
                "%s sent a proxy header and is not in TRUSTED_PROXIES: "
                "if it is one of your proxies, all its callers share one limit",
                peer,
            )

    def _walk(self, scope: Scope, peer: str) -> Hop:
        """Return the last hop that a trusted proxy reported. A hop without an address ends the walk."""
        current = Hop(_parsed(peer), None)
        for hop in self._hops(scope):
            if hop.address is None:
                return Hop(current.address, hop.scheme or current.scheme)
            current = hop
            if not self._trusts(hop.address):
                break
        return current

    def _hops(self, scope: Scope) -> Iterator[Hop]:
        """Yield the hops in the header, the nearest one first, at most `_HOPS_MAX`."""
        hops = _forwarded(scope) if self._forwarded else _x_forwarded(scope)
        for number, hop in enumerate(hops):
            if number == _HOPS_MAX:
                return
            yield hop

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(
            address in proxies for proxies in self._trusted if proxies.version == address.version
        )


def came_by_proxy(context: RequestContext) -> bool:
    """Return True if the request has a proxy header; a client can add one, but not remove a proxy's."""
    return b"x-forwarded-for" in context.headers or b"forwarded" in context.headers


def network_name(address: Address | None) -> str:
    """Return the network of an address, as text."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return UNKNOWN if address is None else str(address)


@lru_cache(maxsize=4096)
def _network_of_peer(peer: str) -> str:
    return network_name(_parsed(peer))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    """Parse an address, with or without a port; an IPv4-mapped one is IPv4. None if it is invalid."""
    match = _WITH_PORT.fullmatch(text)
    bare = (match[1] or match[2]) if match else text
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _peer_of(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _lines(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope["headers"] if header == name]


def _values(scope: Scope, name: bytes) -> list[str]:
    """Return the elements of a list header; its lines are one list (RFC 9110, 5.3)."""
    lines = _lines(scope, name)
    return ",".join(lines).split(",") if lines else []


def _x_forwarded(scope: Scope) -> Iterator[Hop]:
    """Yield the hops of `X-Forwarded-For`; `X-Forwarded-Proto` has one scheme per hop, or one for all."""
    schemes = [_scheme(text) for text in reversed(_values(scope, b"x-forwarded-proto"))] or [None]
    addresses = [text.strip() for text in reversed(_values(scope, b"x-forwarded-for"))] or [""]
    for number, text in enumerate(addresses):
        yield Hop(_reported(text), schemes[min(number, len(schemes) - 1)])


def _forwarded(scope: Scope) -> Iterator[Hop]:
    """Yield the hops of `Forwarded` (RFC 7239). An obfuscated one (`unknown`, `_name`) has no address."""
    for element in reversed(elements_of(_lines(scope, b"forwarded"))):
        yield Hop(_reported(element.get("for", "")), _scheme(element.get("proto", "")))


def _reported(text: str) -> Address | None:
    """Parse an address of a header. Texts that are too long are not parsed and so never cached."""
    return _parsed(text) if len(text) <= _ADDRESS_MAX_CHARS else None


def _scheme(text: str) -> str | None:
    scheme = text.strip().lower()
    return scheme if scheme in ("http", "https") else None
