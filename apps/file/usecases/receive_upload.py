"""Take in a file that is sent to us, and pass it on to S3 in parts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from apps.file.domain.files import Allowance, admit, file_not_found
from apps.file.domain.keys import file_key
from apps.file.domain.types import (
    OPAQUE,
    SNIFFED_BYTES,
    best_guess,
    canonical,
    check_allowed,
    check_real,
    is_said,
)
from apps.file.ports import FirstAnswer, Incoming, Sniffer, Storage, UnitOfWork, UnitOfWorkFactory
from apps.file.usecases.hashing_reader import HashingReader
from apps.file.usecases.upload_steps import Draft, add_file, discard, make_complete
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import FieldError, ServiceError
from shared.contracts.file import File
from shared.contracts.validation import validation_failed

log = logging.getLogger(__name__)

Admitted = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]
"""Does something that needs a member; when our copy of the members says no it asks, and does it again."""
Share = Callable[[UnitOfWork], Awaitable[File]]
"""Makes a file complete within a transaction."""
Sharing = Callable[[Share], Awaitable[File]]
"""Does that in a transaction: each time, or once for each key."""


class PartLimits(Struct, frozen=True):
    """How much of an upload is in memory, and how many seconds it may take."""

    part_bytes: int
    life_s: float


class ReceiveUpload:
    """Takes in streamed files; nothing of one is left when it fails, at the latest after the next sweep."""

    def __init__(
        self,
        work: UnitOfWorkFactory,
        storage: Storage,
        sniffer: Sniffer,
        allowance: Allowance,
        pace: PartLimits,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._work = work
        self._storage = storage
        self._sniffer = sniffer
        self._allowance = allowance
        self._pace = pace
        self._clock = clock
        self._ids = ids

    async def receive(
        self, incoming: Incoming, profile_id: UUID, admitted: Admitted, call: Any = None
    ) -> File:
        """The complete file. `call` is the request when an Idempotency-Key came with it.

        * Members of the channel's server send files to it, of types that are allowed here.
        * Room in the quota is taken before the first byte: as much as the request says, or as a file may be.
        * Its type is checked by its first bytes before any is stored, or found by them when none was said.
        * Its size is checked as it comes.
        * Who is no member any more when it has come does not share it.
        * It is told by `file.completed`.
        * The same again with the same key gets the first answer, whatever became of the file, and nothing is
          stored or counted. Until there is an answer the key belongs to nobody: of two at once the first that
          is complete stays. A refusal changed nothing and is not kept.
        """
        if call is None:
            return await self._receive(incoming, profile_id, admitted, self._share)
        digested = HashingReader(incoming)
        async with self._work.snapshot() as unit:
            first_answer = await unit.known(call, profile_id)
        if first_answer is not None:
            return await self._compare(digested, first_answer)

        async def share_once(work: Share) -> File:
            asked = replace(call, body=digested.meant())
            return await self._work.once(asked, profile_id, work, keep_refusals=False)

        return await self._receive(digested, profile_id, admitted, share_once)

    async def _receive(
        self, incoming: Incoming, profile_id: UUID, admitted: Admitted, sharing: Sharing
    ) -> File:
        content_type = canonical(incoming.content_type) or OPAQUE
        if is_said(content_type, self._allowance.types):
            check_allowed(content_type, self._allowance.types)
        draft = self._draft(incoming, profile_id, content_type)

        async def begin() -> None:
            async with self._work.transaction() as unit:
                await add_file(draft, unit, self._allowance)

        await admitted(begin)
        shared: File | None = None
        try:
            shared = await self._take_in(incoming, draft, admitted, sharing)
            return shared
        finally:
            if shared is None or shared.id != draft.id:  # it failed, or another with its key was first
                await asyncio.shield(self._discard(draft))

    async def _take_in(self, incoming: Incoming, draft: Draft, admitted: Admitted, sharing: Sharing) -> File:
        size, content_type = await self._pass_on(incoming, draft)
        done: list[File] = []

        async def share(unit: UnitOfWork) -> File:
            kept = await unit.file(draft.id, lock=True)
            admit(await unit.place(draft.channel_id, draft.profile_id))
            if kept is None or kept.deleted:
                raise file_not_found()
            return await make_complete(replace(kept, upload_until=None), size, content_type, unit)

        async def finish() -> None:
            done.append(await sharing(share))

        await admitted(finish)
        return done[-1]

    async def _share(self, work: Share) -> File:
        async with self._work.transaction() as unit:
            return await work(unit)

    async def _compare(self, digested: HashingReader, first_answer: FirstAnswer) -> File:
        """Read all of it, within the same bounds, and keep nothing."""
        total = 0
        while piece := await digested.read(self._pace.part_bytes):
            total += len(piece)
            self._allowance.check_size(total)
            del piece  # not two in memory at once
        return first_answer(digested.meant())

    def _draft(self, incoming: Incoming, profile_id: UUID, content_type: str) -> Draft:
        now = self._clock.now()
        most = self._allowance.file_max_bytes
        return Draft(
            id=self._ids.new(),
            channel_id=incoming.channel_id,
            profile_id=profile_id,
            name=incoming.name,
            size=most if incoming.size_max is None else max(1, min(most, incoming.size_max)),
            content_type=content_type,
            created_at=now,
            upload_until=now + timedelta(seconds=self._pace.life_s),
        )

    async def _pass_on(self, incoming: Incoming, draft: Draft) -> tuple[int, str]:
        key, size = file_key(draft.id), self._pace.part_bytes
        first = await incoming.read(size)
        if not first:
            raise validation_failed((FieldError("file", "must have at least 1 byte"),))
        self._allowance.check_size(len(first))
        content_type = await self._real_type(draft.content_type, first)
        if len(first) < size:
            await self._storage.put(key, first, content_type)
            return len(first), content_type
        upload = await self._storage.begin(key, content_type)
        tags = [await self._storage.part(key, upload, 1, first)]
        del first  # not two parts in memory at once
        return await self._pass_on_parts(incoming, key, upload, tags, size), content_type

    async def _real_type(self, said: str, first: bytes) -> str:
        head, whole = first[:SNIFFED_BYTES], len(first) <= SNIFFED_BYTES
        looks_like = await self._sniffer.looks_like(head)
        if not is_said(said, self._allowance.types):
            return best_guess(looks_like, head, self._allowance.types, whole=whole)
        check_real(said, looks_like, head, whole=whole)
        return said

    async def _pass_on_parts(
        self, incoming: Incoming, key: str, upload: str, tags: list[str], total: int
    ) -> int:
        """What follows the parts that have these tags, and so many bytes."""
        while part := await incoming.read(self._pace.part_bytes):
            total += len(part)
            self._allowance.check_size(total)
            tags.append(await self._storage.part(key, upload, len(tags) + 1, part))
            del part
        await self._storage.finish(key, upload, tags)
        return total

    async def _discard(self, draft: Draft) -> None:
        try:
            async with self._work.transaction() as unit:
                await discard(draft.id, unit, self._clock.now(), addressed=False)
        except ServiceError as error:
            log.warning("a broken upload is left to the sweep: %s", error)
