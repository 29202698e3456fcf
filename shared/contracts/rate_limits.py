"""The record by which gateways share the calls that they admitted, so that all enforce one limit."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from shared.contracts.base import Answer

Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Node = Annotated[str, Meta(min_length=1, max_length=64, examples=["019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"])]
Callers = Annotated[dict[UUID, Count], Meta(examples=[{"019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f": 12}])]
Networks = Annotated[dict[str, Count], Meta(examples=[{"203.0.113.7": 3, "2001:db8:1:2::/64": 5}])]


class Taken(Answer, kw_only=True):
    """The calls that one gateway admitted since its last record; a node's `atMs` only grows."""

    node: Node
    at_ms: Annotated[int, Meta(ge=0, examples=[1_777_636_800_000])]
    callers: Callers
    """Requests with an access token, by profile."""
    networks: Networks
    """Requests without one, and tokens that did not hold, by network (an IPv4 address, of IPv6 the /64)."""
    sign_ins: Networks
    """Attempts to sign in or up or to change a password, by network."""
