"""All rows in memory, and pages of them."""

from collections.abc import Callable, Iterable
from copy import copy, deepcopy
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from apps.server.domain.servers import InviteRecord, MemberRecord, ServerRecord
from shared.contracts.account import PublicProfile
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.paging import Place
from shared.contracts.server import Channel

T = TypeVar("T")


@dataclass
class State:
    """All rows."""

    servers: dict[UUID, ServerRecord] = field(default_factory=dict)
    deleted: dict[UUID, datetime] = field(default_factory=dict)
    channels: dict[UUID, Channel] = field(default_factory=dict)
    members: dict[tuple[UUID, UUID], MemberRecord] = field(default_factory=dict)
    invites: dict[str, InviteRecord] = field(default_factory=dict)
    profiles: dict[UUID, PublicProfile] = field(default_factory=dict)
    events: list[tuple[EventType, UUID, int, Answer]] = field(default_factory=list)

    def copy(self) -> "State":
        """Rows are never changed in place, so the dictionaries alone are copied."""
        return State(**{part.name: copy(getattr(self, part.name)) for part in fields(self)})

    def alive(self, server_id: UUID) -> bool:
        return server_id in self.servers and server_id not in self.deleted


def page_of(
    rows: Iterable[T], place: Callable[[T], Place], after: Place | None, limit: int, *, down: bool = False
) -> list[T]:
    ordered = sorted(rows, key=place, reverse=down)
    rest = [row for row in ordered if after is None or (place(row) < after if down else place(row) > after)]
    return deepcopy(rest[:limit])
