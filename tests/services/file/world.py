"""The use cases of the file service over its real adapters."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from apps.file.domain.files import Limits, Usage
from apps.file.outbound.leftovers import PostgresLeftovers
from apps.file.outbound.sniffing import PureMagic
from apps.file.outbound.storage import S3, S3Storage
from apps.file.outbound.units import PostgresWork
from apps.file.settings import FileSettings
from apps.file.usecases.complete_file import complete_file
from apps.file.usecases.create_file import create_file
from apps.file.usecases.delete_file import delete_file
from apps.file.usecases.receive_upload import Pace, ReceiveUpload
from apps.file.usecases.sweep import purge_bytes, sweep_uploads
from cli.embedded.s3 import EmbeddedS3
from shared.contracts.fields import ChannelType, Role
from shared.contracts.file import CreateFile, File, NewFile, OfFile
from shared.kit.clock import SystemIds
from shared.kit.database import Database
from shared.kit.member_facts import PostgresFacts

PART = 5 * 1024 * 1024
LIFE_S = 900
QUOTA = 40 * 1024 * 1024


class MovedClock:
    """The time, and more."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now().astimezone() + self.ahead


def s3_at(server: EmbeddedS3, bucket: str, url: str = "") -> S3:
    key_id, secret = server.key
    return S3(
        endpoint_url=url or server.url,
        public_url=url or server.url,
        bucket=bucket,
        region="us-east-1",
        access_key_id=key_id,
        secret_access_key=secret,
        threads=4,
    )


class Form:
    """A file that comes in by a form."""

    size_max: int | None = None

    def __init__(self, channel_id: UUID, body: bytes, content_type: str = "text/plain") -> None:
        self.channel_id = channel_id
        self.name = "tea.txt"
        self.content_type = content_type
        self.breaks_after: int | None = None
        self._body = body
        self._at = 0

    async def read(self, size: int) -> bytes:
        await asyncio.sleep(0)
        if self.breaks_after is not None and self._at >= self.breaks_after:
            raise ConnectionError
        piece = self._body[self._at : self._at + size]
        self._at += size
        return piece


class World:
    """What happens in one channel."""

    def __init__(self, database: Database, storage: S3Storage) -> None:
        self.database, self.storage = database, storage
        self.clock, self.ids = MovedClock(), SystemIds()
        self.work = PostgresWork(database, self.clock, self.ids)
        self.leftovers = PostgresLeftovers(database)
        self.facts = PostgresFacts(database)
        self.limits = Limits(
            file_max_bytes=20 * 1024 * 1024,
            quota_bytes=QUOTA,
            quota_files=20,
            types=FileSettings(file_database_url="").limits().types,
        )
        self.server, self.channel = self.ids.new(), self.ids.new()
        self.ada, self.ben = self.ids.new(), self.ids.new()

    async def begin(self) -> None:
        await self.facts.channel(self.channel, self.server, ChannelType.TEXT, 1)
        for profile_id, role in ((self.ada, Role.GUEST), (self.ben, Role.MODERATOR)):
            await self.facts.member(self.server, profile_id, role, 1)

    async def create(self, size: int = 3, **changes: Any) -> NewFile:
        asked = {
            "channel_id": self.channel,
            "profile_id": self.ada,
            "name": "tea.txt",
            "size": size,
            "content_type": "text/plain",
        }
        async with self.work.transaction() as unit:
            return await create_file(
                CreateFile(**{**asked, **changes}),
                unit,
                self.storage,
                self.limits,
                self.clock,
                self.ids,
                LIFE_S,
            )

    async def put(self, made: NewFile, body: bytes = b"tea") -> int:
        async with httpx.AsyncClient() as http:
            upload = made.upload
            answer = await http.request(upload.method, upload.url, headers=upload.headers, content=body)
            return answer.status_code

    async def complete(self, file_id: UUID) -> File:
        request = OfFile(file_id=file_id, profile_id=self.ada)
        return await complete_file(request, self.work, self.storage, PureMagic(), self.clock)

    async def share(self, body: bytes = b"tea", content_type: str = "text/plain") -> File:
        made = await self.create(len(body), content_type=content_type)
        assert await self.put(made, body) == 200
        return await self.complete(made.file.id)

    async def receive(self, form: Form) -> File:
        pace = Pace(PART, LIFE_S)
        receive = ReceiveUpload(self.work, self.storage, PureMagic(), self.limits, pace, self.clock, self.ids)

        async def admitted(work: Callable[[], Awaitable[None]]) -> None:
            await work()

        return await receive.receive(form, self.ada, admitted)

    async def delete(self, file_id: UUID, profile_id: UUID | None = None, call_id: str = "call") -> None:
        async with self.work.transaction() as unit:
            await delete_file(file_id, profile_id or self.ada, call_id, unit, self.clock)

    async def sweep(self) -> None:
        await sweep_uploads(self.leftovers, self.clock)
        await purge_bytes(self.leftovers, self.storage, self.clock)

    async def usage(self) -> Usage:
        async with self.work.transaction() as unit:
            return await unit.lock_usage(self.ada)

    async def rows(self) -> int:
        async with self.database.snapshot() as session:
            return int(await session.scalar(text("SELECT count(*) FROM files")))

    async def events(self) -> list[str]:
        async with self.database.snapshot() as session:
            return list((await session.execute(text("SELECT type FROM outbox ORDER BY id"))).scalars())

    def objects(self) -> list[str]:
        """Everything in the bucket, and every upload in parts that was not finished."""
        client, bucket = self.storage._client, self.storage._bucket
        there = [found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", ())]
        begun = [found["Key"] for found in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]
        return sorted([*there, *begun])
