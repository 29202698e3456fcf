"""What the use cases need from outside. A `UnitOfWork` is one transaction; `lock…` holds a row until its end.

Deleted servers and everything in them are invisible to every method but `purge`.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from apps.server.domain.servers import InviteRecord, MemberRecord, Membership, ServerRecord
from shared.contracts.account import PublicProfile
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.paging import Place
from shared.contracts.server import Channel, ChannelAccess


class InviteCount(NamedTuple):
    """How many invites a server has that are still good, and how many in all."""

    good: int
    all: int


class Servers(Protocol):
    async def add(self, server: ServerRecord) -> None: ...

    async def lock(self, server_id: UUID) -> ServerRecord | None: ...

    async def save(self, server: ServerRecord) -> None:
        """Write a server that this unit has locked."""

    async def remove(self, server_id: UUID, now: datetime) -> None:
        """Make it and everything in it invisible at once; `purge` takes the rows away later."""

    async def exists(self, server_id: UUID) -> bool: ...

    async def of_member(self, server_id: UUID, profile_id: UUID) -> Membership | None:
        """The server as this profile sees it; None when it is no member."""

    async def get(self, server_id: UUID) -> ServerRecord | None: ...

    async def id_of_code(self, code: str) -> UUID | None:
        """The server whose standing code this is."""

    async def page(self, profile_id: UUID, after: Place | None, limit: int) -> Sequence[Membership]:
        """Servers this profile is in, by (joined_at, server id) upwards."""

    async def purge(self, rows_max: int) -> int:
        """Take away at most so many rows of one deleted server. Returns how many; 0: nothing is left."""


class Channels(Protocol):
    async def add(self, channel: Channel) -> None: ...

    async def get(self, channel_id: UUID) -> Channel | None: ...

    async def save(self, channel: Channel) -> None: ...

    async def remove(self, channel_id: UUID) -> None: ...

    async def of_member(self, channel_id: UUID, profile_id: UUID) -> Channel | None:
        """The channel, when this profile is a member of its server."""

    async def of_servers(self, server_ids: Collection[UUID]) -> dict[UUID, list[Channel]]:
        """All channels of these servers, the oldest first, by server id."""

    async def page(self, server_id: UUID, after: Place | None, limit: int) -> Sequence[Channel]:
        """By (created_at, id) upwards."""

    async def access(self, channel_id: UUID, profile_id: UUID) -> ChannelAccess | None:
        """Channel, role and the server's revision, all as of one moment."""


class Members(Protocol):
    async def lock_person(self, profile_id: UUID) -> None:
        """Until the unit ends nobody else makes this person join another server."""

    async def count_of(self, profile_id: UUID) -> int:
        """How many servers this person is in."""

    async def add(self, member: MemberRecord) -> None: ...

    async def get(self, server_id: UUID, profile_id: UUID) -> MemberRecord | None: ...

    async def save(self, member: MemberRecord) -> None: ...

    async def remove(self, server_id: UUID, profile_id: UUID) -> None: ...

    async def page(self, server_id: UUID, after: Place | None, limit: int) -> Sequence[MemberRecord]:
        """By (joined_at, profile id) upwards."""


class Invites(Protocol):
    async def add(self, invite: InviteRecord) -> None: ...

    async def get(self, code: str) -> InviteRecord | None: ...

    async def lock(self, code: str) -> InviteRecord | None: ...

    async def save(self, invite: InviteRecord) -> None: ...

    async def remove(self, code: str) -> None: ...

    async def count(self, server_id: UUID, now: datetime) -> InviteCount: ...

    async def remove_spent(self, server_id: UUID, now: datetime) -> None:
        """Forget those of a server that are no longer good."""

    async def page(
        self, server_id: UUID, now: datetime, after: Place | None, limit: int
    ) -> Sequence[InviteRecord]:
        """Those still good, by (created_at, id) downwards."""

    async def sweep(self, spent_before: datetime, rows_max: int) -> int:
        """Forget at most so many that were no longer good at that time. Returns how many."""


class Profiles(Protocol):
    """The service's own copy of public profiles."""

    async def known(self, profile_ids: Collection[UUID]) -> dict[UUID, PublicProfile]: ...

    async def keep(self, profiles: Collection[PublicProfile]) -> None:
        """Store those that are newer, by revision, than what is stored."""


class Events(Protocol):
    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None: ...


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
    """Where units come from, for use cases that need more than one."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Written at the end, or not at all when something is raised."""

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """For reading."""


class Accounts(Protocol):
    """The auth service."""

    async def profiles(self, reader_id: UUID, profile_ids: Sequence[UUID]) -> Sequence[PublicProfile]:
        """Those of at most 100 profiles that exist. Raises `mesh.timeout` or `mesh.busy`."""


class InviteCodes(Protocol):
    """Invite codes that nobody can guess."""

    def new(self) -> str: ...
