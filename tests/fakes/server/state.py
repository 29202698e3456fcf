"""The rows of the server service in memory, and pages of them."""

from collections.abc import Callable, Iterable
from copy import copy, deepcopy
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from apps.server.domain.invites import InviteRecord
from apps.server.domain.members import MemberRecord
from apps.server.domain.servers import ServerRecord
from shared.contracts.account import PublicProfile
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.paging import Cursor
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
        """Copy the dictionaries only: rows are never changed in place."""
        return State(**{table.name: copy(getattr(self, table.name)) for table in fields(self)})

    def alive(self, server_id: UUID) -> bool:
        """Return True if the server exists and is not deleted."""
        return server_id in self.servers and server_id not in self.deleted


def page_of(
    rows: Iterable[T],
    cursor_of: Callable[[T], Cursor],
    after: Cursor | None,
    limit: int,
    *,
    down: bool = False,
) -> list[T]:
    """Return a page of copies in the order of their cursors, ascending unless `down`."""
    ordered = sorted(rows, key=cursor_of, reverse=down)
    following = [
        row
        for row in ordered
        if after is None or (cursor_of(row) < after if down else cursor_of(row) > after)
    ]
    return deepcopy(following[:limit])
