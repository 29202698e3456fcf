"""Files in Postgres."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from apps.file.domain.files import ChannelMembership, FileRecord, Usage
from apps.file.ports import FirstAnswer, UnitOfWork
from shared.contracts.base import Answer
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import ServiceError
from shared.contracts.event import EventType
from shared.contracts.fields import Role
from shared.contracts.file import File, FileStatus
from shared.kit.database.database import Database
from shared.kit.database.idempotency import known
from shared.kit.database.unit_of_work import SqlUnitOfWorkFactory
from shared.kit.outbox.outbox import Outbox
from shared.kit.wire.call import Call, Reply

_PLACE = text(
    """
    SELECT channels.server_id, channels.deleted_at IS NOT NULL AS deleted, members.role
    FROM channels
    LEFT JOIN members ON members.server_id = channels.server_id AND members.profile_id = :profile_id
    WHERE channels.id = :channel_id
    """
)
_MEET = text("INSERT INTO usage (profile_id, size, files) VALUES (:profile_id, 0, 0) ON CONFLICT DO NOTHING")
_USAGE = text("SELECT size, files FROM usage WHERE profile_id = :profile_id FOR UPDATE")
_CHARGE = text("UPDATE usage SET size = size + :size, files = files + :files WHERE profile_id = :profile_id")
_COLUMNS = """
    id, channel_id, server_id, profile_id, name, size, content_type, sha256, status, revision, upload_until,
    charged, purge_at, thumbnails, created_at
"""
KEPT_COLUMNS = (
    f"{_COLUMNS}, thumbnail_tries, thumbnails_after, deleted_at IS NOT NULL AS deleted, deleting_call"
)
_FILE = text(f"SELECT {KEPT_COLUMNS} FROM files WHERE id = :file_id")  # noqa: S608 (names of columns)
_LOCK_FILE = text(f"SELECT {KEPT_COLUMNS} FROM files WHERE id = :file_id FOR UPDATE")  # noqa: S608
_FILES = text(f"SELECT {KEPT_COLUMNS} FROM files WHERE id = ANY(:file_ids)")  # noqa: S608
_ADD = text(
    f"""
    INSERT INTO files ({_COLUMNS}) VALUES (:id, :channel_id, :server_id, :profile_id, :name, :size,
        :content_type, :sha256, :status, :revision, :upload_until, :charged, :purge_at,
        :thumbnails, :created_at)
    """  # noqa: S608
)
_STORE = text(
    """
    UPDATE files SET size = :size, content_type = :content_type, status = :status, revision = :revision,
        upload_until = :upload_until, charged = :charged, purge_at = :purge_at, thumbnails = :thumbnails,
        thumbnail_tries = :thumbnail_tries, thumbnails_after = :thumbnails_after
    WHERE id = :id
    """
)
_BURY = text(
    """
    UPDATE files SET deleted_at = :now, purge_at = :now, deleting_call = :call_id, charged = :charged,
        upload_until = :upload_until
    WHERE id = :id
    """
)


class SqlFileUnitOfWorkFactory(SqlUnitOfWorkFactory[UnitOfWork]):
    """Where the use cases work."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        super().__init__(
            database, lambda session: SqlUnitOfWork(session, Outbox(session, clock, ids), clock), clock
        )

    async def once(
        self,
        call: Call,
        profile_id: UUID,
        work: Callable[[UnitOfWork], Awaitable[File | ServiceError]],
        *,
        keep_refusals: bool = True,
    ) -> File:
        """Do the work in a transaction, unless the call was answered before: then its first answer."""
        return _file_of(await super().once(call, profile_id, work, keep_refusals=keep_refusals))


class SqlUnitOfWork:
    """One transaction."""

    def __init__(self, session: AsyncSession, outbox: Outbox, clock: Clock) -> None:
        self._session = session
        self._outbox = outbox
        self._clock = clock

    async def place(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership | None:
        """What is known about a profile in a channel."""
        key = {"channel_id": channel_id, "profile_id": profile_id}
        found = (await self._session.execute(_PLACE, key)).one_or_none()
        if found is None:
            return None
        role = None if found.role is None else Role(found.role)
        return ChannelMembership(server_id=found.server_id, deleted=found.deleted, role=role)

    async def lock_usage(self, profile_id: UUID) -> Usage:
        """What a person's files take, locked until the end."""
        key = {"profile_id": profile_id}
        await self._session.execute(_MEET, key)
        found = (await self._session.execute(_USAGE, key)).one()
        return Usage(found.size, found.files)

    async def charge(self, profile_id: UUID, size: int, files: int) -> None:
        """Count so many bytes and files more, or less, against a person."""
        change = {"profile_id": profile_id, "size": size, "files": files}
        await self._session.execute(_CHARGE, change)

    async def add(self, kept: FileRecord) -> None:
        """Store a new file."""
        await self._session.execute(_ADD, _row_of(kept))

    async def file(self, file_id: UUID, *, lock: bool = False) -> FileRecord | None:
        """A file or the tombstone of one."""
        statement = _LOCK_FILE if lock else _FILE
        found = (await self._session.execute(statement, {"file_id": file_id})).mappings().one_or_none()
        return None if found is None else kept_of(found)

    async def files(self, file_ids: Sequence[UUID]) -> list[FileRecord]:
        """Those of these files that are there, in any order."""
        found = (await self._session.execute(_FILES, {"file_ids": list(file_ids)})).mappings()
        return [kept_of(row) for row in found]

    async def store(self, kept: FileRecord) -> None:
        """Store what changed about a file."""
        await self._session.execute(_STORE, _row_of(kept))

    async def bury(self, kept: FileRecord, call_id: str, now: datetime) -> None:
        """Store it as a tombstone, whose bytes are purged from now on."""
        await self._session.execute(_BURY, {**_row_of(kept), "call_id": call_id, "now": now})

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""
        await self._outbox.publish(kind, key, revision, data)

    async def known(self, call: Call, profile_id: UUID) -> FirstAnswer | None:
        """What the call was answered with before."""
        found = await known(self._session, call, profile_id, clock=self._clock)
        return None if found is None else lambda body: _file_of(found.answer(body))


def _file_of(done: Answer | Reply | None) -> File:
    """What was just done is a file, what was done before the bytes of one."""
    if isinstance(done, Reply):
        assert isinstance(done.body, bytes)
        return msgspec.json.decode(done.body, type=File)
    assert isinstance(done, File)
    return done


def kept_of(row: Mapping[Any, Any]) -> FileRecord:
    """A file of a row that has its columns by name."""
    return FileRecord(
        file=File(
            id=row["id"],
            channel_id=row["channel_id"],
            profile_id=row["profile_id"],
            name=row["name"],
            size=row["size"],
            content_type=row["content_type"],
            status=FileStatus(row["status"]),
            created_at=row["created_at"],
        ),
        server_id=row["server_id"],
        revision=row["revision"],
        sha256=row["sha256"],
        upload_until=row["upload_until"],
        charged=row["charged"],
        purge_at=row["purge_at"],
        thumbnails=row["thumbnails"],
        thumbnail_tries=row["thumbnail_tries"],
        thumbnails_after=row["thumbnails_after"],
        deleted=row["deleted"],
        deleting_call=row["deleting_call"],
    )


def _row_of(kept: FileRecord) -> dict[str, object]:
    file = kept.file
    return {
        "id": file.id,
        "channel_id": file.channel_id,
        "server_id": kept.server_id,
        "profile_id": file.profile_id,
        "name": file.name,
        "size": file.size,
        "content_type": file.content_type,
        "sha256": kept.sha256,
        "status": file.status,
        "revision": kept.revision,
        "upload_until": kept.upload_until,
        "charged": kept.charged,
        "purge_at": kept.purge_at,
        "thumbnails": kept.thumbnails,
        "thumbnail_tries": kept.thumbnail_tries,
        "thumbnails_after": kept.thumbnails_after,
        "created_at": file.created_at,
    }
