"""Receive a file that is streamed to us, and pass it on to S3 in parts."""

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from apps.file.domain.files import Allowance, file_not_found, require_member
from apps.file.domain.keys import file_key
from apps.file.domain.types import (
    OPAQUE,
    SNIFFED_BYTES,
    canonical,
    check_allowed,
    check_matches,
    guess_type,
    is_declared,
)
from apps.file.ports import IncomingUpload, Sniffer, Storage, StoredAnswer, UnitOfWork, UnitOfWorkFactory
from apps.file.usecases.file_states import PendingFile, discard, mark_complete, reserve
from apps.file.usecases.hashing_reader import HashingReader
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import FieldError, ServiceError
from shared.contracts.file import File
from shared.contracts.validation import validation_failed
from shared.membership.resolver import AccessQuery, MembershipResolver, with_fresh_membership

log = logging.getLogger(__name__)


class UploadLimits(Struct, frozen=True):
    """The bytes of an upload in memory, and the seconds that it and a question about its sender may take."""

    part_bytes: int
    timeout_s: float
    membership_timeout_s: float


class ReceiveUpload:
    """Receives streamed files: reserve, stream, share. A failed upload is discarded, at the latest by the
    sweep.
    """

    def __init__(
        self,
        units: UnitOfWorkFactory,
        storage: Storage,
        sniffer: Sniffer,
        resolver: MembershipResolver,
        clock: Clock,
        ids: Ids,
        allowance: Allowance,
        limits: UploadLimits,
    ) -> None:
        self._units = units
        self._storage = storage
        self._sniffer = sniffer
        self._resolver = resolver
        self._clock = clock
        self._ids = ids
        self._allowance = allowance
        self._limits = limits

    async def receive(
        self, incoming: IncomingUpload, profile_id: UUID, correlation_id: str, call: Any = None
    ) -> File:
        """Return the complete file. `call` is the request if it has an Idempotency-Key.

        * Members of the channel's server send files to it, of allowed types.
        * Quota is reserved before the first byte: the declared size, or the most that a file may have.
        * The type is checked by the first bytes before any is stored, or guessed if none was declared.
        * The size is checked while the file arrives.
        * A sender who is no longer a member when it has arrived does not share it.
        * It publishes `file.completed`.
        * The same upload with the same key gets the first answer, whatever became of the file, and nothing is
          stored or counted. Until there is an answer the key is free: of two concurrent uploads the first
          complete one stays. An error changed nothing and is not stored.
        """
        if call is None:
            return await self._receive(incoming, profile_id, correlation_id)
        reader = HashingReader(incoming)
        async with self._units.snapshot() as unit:
            stored_answer = await unit.find_stored(call, profile_id)
        if stored_answer is not None:
            return await self._replay(reader, stored_answer)
        return await self._receive(reader, profile_id, correlation_id, call)

    async def _receive(
        self,
        incoming: IncomingUpload | HashingReader,
        profile_id: UUID,
        correlation_id: str,
        call: Any = None,
    ) -> File:
        pending = self._pending(incoming, profile_id)
        await with_fresh_membership(
            self._resolver, self._query(pending, correlation_id), lambda: self._reserve(pending)
        )
        file: File | None = None
        try:
            size, content_type = await self._stream(incoming, pending)
            if isinstance(incoming, HashingReader):
                call = replace(call, body=incoming.fingerprint())
            file = await with_fresh_membership(
                self._resolver,
                self._query(pending, correlation_id),
                lambda: self._share(pending, size, content_type, call),
            )
            return file
        finally:
            if file is None or file.id != pending.id:  # it failed, or another upload with its key was first
                await asyncio.shield(self._discard(pending))

    async def _reserve(self, pending: PendingFile) -> None:
        async with self._units.transaction() as unit:
            await reserve(pending, unit, self._allowance)

    async def _stream(self, incoming: IncomingUpload, pending: PendingFile) -> tuple[int, str]:
        """Store the file in S3; return its size in bytes and its type."""
        key, part_bytes = file_key(pending.id), self._limits.part_bytes
        first = await incoming.read(part_bytes)
        if not first:
            raise validation_failed((FieldError("file", "must have at least 1 byte"),))
        self._allowance.check_size(len(first))
        content_type = await self._checked_type(pending.content_type, first)
        if len(first) < part_bytes:
            await self._storage.put(key, first, content_type)
            return len(first), content_type
        upload_id = await self._storage.create_upload(key, content_type)
        etags = [await self._storage.upload_part(key, upload_id, 1, first)]
        del first  # not two parts in memory at once
        return await self._stream_rest(incoming, key, upload_id, etags, part_bytes), content_type

    async def _stream_rest(
        self, incoming: IncomingUpload, key: str, upload_id: str, etags: list[str], total: int
    ) -> int:
        """Upload the remaining parts and complete the multipart upload.

        `total` counts the bytes sent before; return the final size.
        """
        while part := await incoming.read(self._limits.part_bytes):
            total += len(part)
            self._allowance.check_size(total)
            etags.append(await self._storage.upload_part(key, upload_id, len(etags) + 1, part))
            del part
        await self._storage.complete_upload(key, upload_id, etags)
        return total

    async def _share(self, pending: PendingFile, size: int, content_type: str, call: Any) -> File:
        """Complete the file; with a key, return the file of the first upload that had it."""

        async def share(unit: UnitOfWork) -> File:
            file = await unit.find(pending.id, lock=True)
            require_member(await unit.membership(pending.channel_id, pending.profile_id))
            if file is None or file.deleted:
                raise file_not_found()
            return await mark_complete(replace(file, upload_until=None), size, content_type, unit)

        if call is not None:
            return await self._units.run_once(call, pending.profile_id, share, store_errors=False)
        async with self._units.transaction() as unit:
            return await share(unit)

    async def _discard(self, pending: PendingFile) -> None:
        try:
            async with self._units.transaction() as unit:
                await discard(pending.id, unit, self._clock.now(), has_url=False)
        except ServiceError as error:
            log.warning("a failed upload is left to the sweep: %s", error)

    async def _replay(self, reader: HashingReader, stored_answer: StoredAnswer) -> File:
        """Read all of it, within the same bounds, store nothing, and return the stored answer."""
        total = 0
        while piece := await reader.read(self._limits.part_bytes):
            total += len(piece)
            self._allowance.check_size(total)
            del piece  # not two in memory at once
        return stored_answer(reader.fingerprint())

    def _pending(self, incoming: IncomingUpload, profile_id: UUID) -> PendingFile:
        content_type = canonical(incoming.content_type) or OPAQUE
        if is_declared(content_type, self._allowance.types):
            check_allowed(content_type, self._allowance.types)
        now, size_max = self._clock.now(), self._allowance.file_max_bytes
        return PendingFile(
            id=self._ids.new(),
            channel_id=incoming.channel_id,
            profile_id=profile_id,
            name=incoming.name,
            size=size_max if incoming.size_max is None else max(1, min(size_max, incoming.size_max)),
            content_type=content_type,
            created_at=now,
            upload_until=now + timedelta(seconds=self._limits.timeout_s),
        )

    async def _checked_type(self, declared: str, first: bytes) -> str:
        head, whole = first[:SNIFFED_BYTES], len(first) <= SNIFFED_BYTES
        looks_like = await self._sniffer.looks_like(head)
        if not is_declared(declared, self._allowance.types):
            return guess_type(looks_like, head, self._allowance.types, whole=whole)
        check_matches(declared, looks_like, head, whole=whole)
        return declared

    def _query(self, pending: PendingFile, correlation_id: str) -> AccessQuery:
        deadline_ms = int((self._clock.now().timestamp() + self._limits.membership_timeout_s) * 1000)
        return AccessQuery(pending.channel_id, pending.profile_id, deadline_ms, correlation_id)
