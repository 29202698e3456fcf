"""The ledger of requests: an `Idempotency-Key`, or a record that Kafka delivers again, has its effect
once.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.base import Answer
from shared.contracts.clock import Clock
from shared.contracts.errors import CATALOGUE as ERRORS
from shared.contracts.errors import (
    IDEMPOTENCY_MISMATCH,
    INTERNAL_ERROR,
    MESH_BUSY,
    ErrorReply,
    ServiceError,
)
from shared.kit.clock import SystemClock, SystemIds
from shared.kit.database.database import Database
from shared.kit.database.idempotency_table import CLAIM, READ, STORE, SWEEP, SWEEP_PAGE, requests_table
from shared.kit.wire.call import Call, Reply

__all__ = ["KEY_LIFE", "REDELIVERY_LIFE", "Known", "known", "once", "requests_table", "sweep_requests"]

KEY_LIFE = timedelta(hours=24)
REDELIVERY_LIFE = timedelta(hours=1)
"""As long as Kafka keeps requests: nothing older can be delivered again."""

_ids = SystemIds()

Result = Answer | Reply | ServiceError | None
Work = Callable[[AsyncSession], Awaitable[Result]]


class Known(Struct, frozen=True):
    """A request that was answered before, as it stands in the ledger."""

    fingerprint: bytes
    status: int
    body: bytes | None

    def answer(self, body: bytes) -> Reply:
        """The first reply to a request that has this body.

        Raises the first error, `idempotency.mismatch` when the key was used for another body.
        """
        if self.fingerprint != sha256(body).digest():
            raise IDEMPOTENCY_MISMATCH.exception("This key was used for another body before.")
        if self.status >= 400:
            raise _decode_error(self.body or b"")
        return Reply(status=self.status, body=self.body)


async def known(
    session: AsyncSession, call: Call, profile_id: UUID, *, clock: Clock | None = None
) -> Known | None:
    """What this caller's key, or this very call, was answered with; None while nothing is stored.

    For who has something to do before `once`, or does not know the body yet.
    """
    return await _stored(session, _row_of(call, profile_id, clock))


async def once(
    database: Database,
    call: Call,
    profile_id: UUID,
    work: Work,
    *,
    clock: Clock | None = None,
    keep_refusals: bool = True,
) -> Answer | Reply | None:
    """Do `work` in a transaction, unless this caller's key, or this very call, was done before.

    Gives what `work` gives, or the first reply again. Typed errors below 500 that it raises undo it, are
    stored and raised again, unless refusals are not to be kept; others leave no trace, so that the caller may
    try again. A typed error that it gives is stored together with what was done, then raised. Raises
    `idempotency.mismatch` when the key was used for another body, `mesh.busy` as `Database.transaction`.
    """
    row = _row_of(call, profile_id, clock)
    outcome: Result | Known
    async with database.transaction() as session:
        if await _claimed(session, row):
            outcome = await _done(session, call, row, work, keep_refusals)
        else:
            outcome = await _stored(session, row) or _being_answered()
    if isinstance(outcome, Known):
        return outcome.answer(call.body)
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


async def sweep_requests(database: Database, clock: Clock) -> int:
    """Delete what has lived long enough, in small transactions; gives how many. A service does it once a
    minute.
    """
    swept = 0
    while True:
        async with database.transaction() as session:
            deleted: int = (
                await session.execute(SWEEP, {"now": clock.now(), "page": SWEEP_PAGE})
            ).scalar_one()
        swept += deleted
        if deleted < SWEEP_PAGE:
            return swept


def _row_of(call: Call, profile_id: UUID, clock: Clock | None) -> dict[str, Any]:
    key, life = _key_of(call)
    now = (clock or SystemClock()).now()
    return {
        "profile_id": profile_id,
        "key": sha256(key.encode("utf-8", "surrogatepass")).digest(),
        "fingerprint": sha256(call.body).digest(),
        "now": now,
        "expires_at": now + life,
    }


def _key_of(call: Call) -> tuple[str, timedelta]:
    """What the request is known by, and for how long."""
    if call.idempotency_key is not None:
        return f"key {call.idempotency_key}", KEY_LIFE
    # A record of a foreign producer without an id is not known again.
    return f"call {call.operation.name} {call.call_id or _ids.text()}", REDELIVERY_LIFE


async def _claimed(session: AsyncSession, row: dict[str, Any]) -> bool:
    return (await session.execute(CLAIM, row)).first() is not None


async def _done(
    session: AsyncSession, call: Call, row: dict[str, Any], work: Work, keep_refusals: bool
) -> Result:
    """Do the work and store its outcome beside it; a typed error that is raised undoes the work alone."""
    outcome: Result
    try:
        async with session.begin_nested():
            outcome = await work(session)
            status, body = _reply_of(call, outcome)
    except ServiceError as error:
        if error.kind.status >= 500 or not keep_refusals:
            raise
        outcome, (status, body) = error, _reply_of(call, error)
    await session.execute(
        STORE, {"profile_id": row["profile_id"], "key": row["key"], "status": status, "body": body}
    )
    return outcome


async def _stored(session: AsyncSession, row: dict[str, Any]) -> Known | None:
    found = (await session.execute(READ, row)).one_or_none()
    if found is None or found.status is None:
        return None
    return Known(found.fingerprint, found.status, found.body)


def _being_answered() -> ServiceError:
    """It was swept, or given up, between the two statements."""
    return MESH_BUSY.exception("The same request was being answered. Try again.")


def _reply_of(call: Call, outcome: Result) -> tuple[int, bytes | None]:
    """What is stored of an outcome. Raises TypeError for an answer with secrets: it may stand nowhere."""
    if isinstance(outcome, ServiceError):
        return outcome.kind.status, _encode_error(outcome)
    answer, told = call.operation.answer, outcome.body if isinstance(outcome, Reply) else outcome
    if call.operation.answer_secrets and answer is not None and isinstance(told, answer):
        raise TypeError(f"an answer of {call.operation.name} has secrets and can not be stored")
    if isinstance(outcome, Reply):
        body = outcome.body
        return outcome.status, body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
    return call.operation.status, None if outcome is None else msgspec.json.encode(outcome)


def _encode_error(error: ServiceError) -> bytes:
    return msgspec.json.encode(
        ErrorReply(code=error.kind.code, status=error.kind.status, detail=error.detail, errors=error.errors)
    )


def _decode_error(body: bytes) -> ServiceError:
    reply = msgspec.json.decode(body, type=ErrorReply)
    kind = ERRORS.get(reply.code, INTERNAL_ERROR)
    return kind.exception(reply.detail, reply.errors)
