"""Where a request came from: past the proxies that are trusted, and no further.

A header of a proxy is believed as far as trusted proxies wrote it: from the right, up to the first address
that is not one of theirs. Only the header that they are set to write is read; a client's own may stand in
the other one.
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
"""The network of whoever came without an address, over a local socket."""

_HOPS_MAX = 32
_ADDRESS_MAX_CHARS = 64
"""The longest IPv6 address has 45, with a port and brackets 53."""
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\w+)?|([0-9.]+)(?::\w+)?")


class Hop(Struct, frozen=True):
    """What a proxy says of who came to it: an address, and over `http` or `https`."""

    address: Address | None
    scheme: str | None


class TrustedProxies:
    """The proxies that are trusted, as networks, and the header that they write."""

    def __init__(self, trusted: Sequence[str], header: ProxyHeader) -> None:
        self._trusted = tuple(ip_network(text) for text in trusted)
        self._forwarded = header == "forwarded"
        self._warned = False

    def network_of(self, context: RequestContext) -> str:
        """Where the caller is counted: an IPv4 address, or the /64 of IPv6 that one caller has whole."""
        if not context.network:
            peer = _peer_of(context.scope)
            # The usual case: no proxy, and nothing to read.
            if self._trusted and self._trusts(_parsed(peer)):
                context.network = network_name(self._walk(context.scope, peer).address)
            else:
                self._warn(context, peer)
                context.network = _network_of_peer(peer)
        return context.network

    def scheme_of(self, scope: Scope) -> str:
        """`http` or `https`, as the caller came; a proxy's word counts when it is trusted."""
        peer = _peer_of(scope)
        if not self._trusts(_parsed(peer)):
            return str(scope["scheme"])
        return self._walk(scope, peer).scheme or scope["scheme"]

    def _warn(self, context: RequestContext, peer: str) -> None:
        """Once: most likely a proxy that nobody told of, whose callers all share one limit."""
        if not self._warned and came_by_proxy(context):
            self._warned = True
            log.warning(
                "%s sent a header that proxies write and is not in TRUSTED_PROXIES: "
                "if it is a proxy of yours, all its callers have one limit together",
                peer,
            )

    def _walk(self, scope: Scope, peer: str) -> Hop:
        """The last hop that a trusted proxy told of; what can not be read ends the way there."""
        current = Hop(_parsed(peer), None)
        for told in self._hops(scope):
            if told.address is None:
                return Hop(current.address, told.scheme or current.scheme)
            current = told
            if not self._trusts(told.address):
                break
        return current

    def _hops(self, scope: Scope) -> Iterator[Hop]:
        """What the header says, the nearest hop first, so much of it as makes sense."""
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
    """Whether a proxy handed the request on, trusted or not; a client can pretend that, but not hide it."""
    return b"x-forwarded-for" in context.headers or b"forwarded" in context.headers


def network_name(address: Address | None) -> str:
    """The network of an address."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return UNKNOWN if address is None else str(address)


@lru_cache(maxsize=4096)
def _network_of_peer(peer: str) -> str:
    return network_name(_parsed(peer))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    """An address, with or without a port; IPv4 in IPv6's clothes is IPv4. None for all else."""
    found = _WITH_PORT.fullmatch(text)
    bare = (found[1] or found[2]) if found else text
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
    """What all lines of a header say, put together: the list that they are one of (RFC 9110, 5.3)."""
    lines = _lines(scope, name)
    return ",".join(lines).split(",") if lines else []


def _x_forwarded(scope: Scope) -> Iterator[Hop]:
    """`X-Forwarded-For` has every hop; `X-Forwarded-Proto` has as many schemes, or one for all."""
    schemes = [_scheme(text) for text in reversed(_values(scope, b"x-forwarded-proto"))] or [None]
    addresses = [text.strip() for text in reversed(_values(scope, b"x-forwarded-for"))] or [""]
    for number, text in enumerate(addresses):
        yield Hop(_told(text), schemes[min(number, len(schemes) - 1)])


def _forwarded(scope: Scope) -> Iterator[Hop]:
    """`Forwarded` (RFC 7239). A hop that hides (`unknown`, `_name`) has no address."""
    for element in reversed(elements_of(_lines(scope, b"forwarded"))):
        yield Hop(_told(element.get("for", "")), _scheme(element.get("proto", "")))


def _told(text: str) -> Address | None:
    """An address that a header tells. Long texts are none, and nothing to remember."""
    return _parsed(text) if len(text) <= _ADDRESS_MAX_CHARS else None


def _scheme(text: str) -> str | None:
    scheme = text.strip().lower()
    return scheme if scheme in ("http", "https") else None
