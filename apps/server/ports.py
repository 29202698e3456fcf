"""Ports of the server service: the Protocols that its use cases depend on.

A `UnitOfWork` is one transaction; a `lock…` method holds its row until the transaction ends.
Deleted servers and everything in them are invisible to every method but `purge`.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from apps.server.domain.invites import InviteRecord
from apps.server.domain.members import MemberRecord, Membership
from apps.server.domain.servers import ServerRecord
from shared.contracts.account import PublicProfile
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.paging import Cursor
from shared.contracts.server import Channel, ChannelAccess


class InviteCount(NamedTuple):
    """Numbers of a server's invites: the valid ones, and all that are stored."""

    valid: int
    stored: int


class Servers(Protocol):
    """The servers of one transaction."""

    async def add(self, server: ServerRecord) -> None: ...

    async def lock(self, server_id: UUID) -> ServerRecord | None: ...

    async def save(self, server: ServerRecord) -> None:
        """Update a server that this transaction has locked."""

    async def remove(self, server_id: UUID, now: datetime) -> None:
        """Make the server and everything in it invisible at once; `purge` deletes the rows later."""

    async def exists(self, server_id: UUID) -> bool: ...

    async def of_member(self, server_id: UUID, profile_id: UUID) -> Membership | None:
        """Return the server and the profile's role in it; None if the profile is not a member."""

    async def get(self, server_id: UUID) -> ServerRecord | None: ...

    async def id_of_code(self, code: str) -> UUID | None:
        """Return the id of the server that has this standing code."""

    async def page(self, profile_id: UUID, after: Cursor | None, limit: int) -> Sequence[Membership]:
        """Return the profile's servers after the cursor, ordered by (joined_at, server id)."""

    async def purge(self, rows_max: int) -> int:
        """Delete at most `rows_max` rows of one deleted server. Return their number; 0 if none are left."""


class Channels(Protocol):
    """The channels of one transaction."""

    async def add(self, channel: Channel) -> None: ...

    async def get(self, channel_id: UUID) -> Channel | None: ...

    async def save(self, channel: Channel) -> None: ...

    async def remove(self, channel_id: UUID) -> None: ...

    async def of_member(self, channel_id: UUID, profile_id: UUID) -> Channel | None:
        """Return the channel if the profile is a member of its server."""

    async def of_servers(self, server_ids: Collection[UUID]) -> dict[UUID, list[Channel]]:
        """Return all channels of these servers by server id, the oldest first."""

    async def page(self, server_id: UUID, after: Cursor | None, limit: int) -> Sequence[Channel]:
        """Return channels after the cursor, ordered by (created_at, id)."""

    async def access(self, channel_id: UUID, profile_id: UUID) -> ChannelAccess | None:
        """Return the profile's role in the channel and the revision of the server at that moment."""


class Members(Protocol):
    """The members of one transaction."""

    async def lock_profile(self, profile_id: UUID) -> None:
        """Serialize everything that changes the number of servers of this profile."""

    async def count_of(self, profile_id: UUID) -> int:
        """Return the number of servers that the profile is a member of."""

    async def add(self, member: MemberRecord) -> None: ...

    async def get(self, server_id: UUID, profile_id: UUID) -> MemberRecord | None: ...

    async def save(self, member: MemberRecord) -> None: ...

    async def remove(self, server_id: UUID, profile_id: UUID) -> None: ...

    async def page(self, server_id: UUID, after: Cursor | None, limit: int) -> Sequence[MemberRecord]:
        """Return members after the cursor, ordered by (joined_at, profile id)."""


class Invites(Protocol):
    """The invites of one transaction."""

    async def add(self, invite: InviteRecord) -> None: ...

    async def get(self, code: str) -> InviteRecord | None: ...

    async def lock(self, code: str) -> InviteRecord | None: ...

    async def save(self, invite: InviteRecord) -> None: ...

    async def remove(self, code: str) -> None: ...

    async def count(self, server_id: UUID, now: datetime) -> InviteCount: ...

    async def remove_invalid(self, server_id: UUID, now: datetime) -> None:
        """Delete the server's invites that are no longer valid."""

    async def page(
        self, server_id: UUID, now: datetime, after: Cursor | None, limit: int
    ) -> Sequence[InviteRecord]:
        """Return valid invites after the cursor, ordered by (created_at, id) descending."""

    async def sweep(self, invalid_before: datetime, rows_max: int) -> int:
        """Delete at most `rows_max` invites that were invalid at that time already. Return their number."""


class Profiles(Protocol):
    """The service's own copy of public profiles."""

    async def find(self, profile_ids: Collection[UUID]) -> dict[UUID, PublicProfile]: ...

    async def store(self, profiles: Collection[PublicProfile]) -> None:
        """Store the profiles whose revision is higher than the stored one."""


class Events(Protocol):
    """The events of one transaction."""

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer, /) -> None:
        """Publish an event of the aggregate `key` if, and only if, the transaction commits."""


class UnitOfWork(Protocol):
    """The repositories of one transaction."""

    @property
    def servers(self) -> Servers: ...
    @property
    def channels(self) -> Channels: ...
    @property
    def members(self) -> Members: ...
    @property
    def invites(self) -> Invites: ...
    @property
    def profiles(self) -> Profiles: ...
    @property
    def events(self) -> Events: ...


class UnitOfWorkFactory(Protocol):
    """Begins transactions, for use cases that need more than one."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Commit at the end of the block; roll back if it raises."""

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Read everything as of one moment."""


class Accounts(Protocol):
    """The auth service."""

    async def profiles(self, reader_id: UUID, profile_ids: Sequence[UUID]) -> Sequence[PublicProfile]:
        """Return those of at most 100 profiles that exist. Raises `mesh.timeout` or `mesh.busy`."""


class InviteCodes(Protocol):
    """Generates invite codes that nobody can guess."""

    def new(self) -> str: ...
