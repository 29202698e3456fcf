"""The ledger of requests: an `Idempotency-Key`, or a record that Kafka delivers again, has its effect
once.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.base import Answer
from shared.contracts.clock import Clock
from shared.contracts.errors import CATALOGUE as ERRORS
from shared.contracts.errors import (
    IDEMPOTENCY_MISMATCH,
    INTERNAL_ERROR,
    MESH_BUSY,
    ErrorReply,
    MeshError,
)
from shared.kit.clock import SystemClock, SystemIds
from shared.kit.database import Database
from shared.kit.ledger_rows import CLAIM, READ, STORE, SWEEP, SWEEP_PAGE, requests_table
from shared.kit.wire import Call, Reply

__all__ = ["KEY_LIFE", "REDELIVERY_LIFE", "once", "requests_table", "sweep_requests"]

KEY_LIFE = timedelta(hours=24)
REDELIVERY_LIFE = timedelta(hours=1)
"""As long as Kafka keeps requests: nothing older can be delivered again."""

_ids = SystemIds()

Outcome = Answer | Reply | None
Work = Callable[[AsyncSession], Awaitable[Outcome]]


async def once(
    database: Database, call: Call, profile_id: UUID, work: Work, *, clock: Clock | None = None
) -> Answer | Reply | None:
    """Do `work` in a transaction, unless this caller's key, or this very call, was done before.

    Gives what `work` gives, or the first reply again. Typed errors below 500 are stored and raised again;
    others leave no trace, so that the caller may try again. Raises `idempotency.mismatch` when the key was
    used for another body, `mesh.busy` as `Database.transaction`.
    """
    key, life = _key_of(call)
    row = {
        "profile_id": profile_id,
        "key": sha256(key.encode("utf-8", "surrogatepass")).digest(),
        "fingerprint": sha256(call.body).digest(),
        "now": (clock or SystemClock()).now(),
    }
    outcome: Outcome | MeshError
    async with database.transaction() as session:
        if await _claimed(session, row, life):
            outcome = await _done(session, call, row, work)
        else:
            outcome = await _stored(session, row)
    if isinstance(outcome, MeshError):
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


def _key_of(call: Call) -> tuple[str, timedelta]:
    """What the request is known by, and for how long."""
    if call.idempotency_key is not None:
        return f"key {call.idempotency_key}", KEY_LIFE
    # A record of a foreign producer without an id is not known again.
    return f"call {call.operation.name} {call.call_id or _ids.text()}", REDELIVERY_LIFE


async def _claimed(session: AsyncSession, row: dict[str, Any], life: timedelta) -> bool:
    return (await session.execute(CLAIM, {**row, "expires_at": row["now"] + life})).first() is not None


async def _done(session: AsyncSession, call: Call, row: dict[str, Any], work: Work) -> Outcome | MeshError:
    """Do the work and store its outcome beside it; a typed error undoes the work alone."""
    outcome: Outcome | MeshError
    try:
        async with session.begin_nested():
            outcome = await work(session)
            status, body = _reply_of(call, outcome)
    except MeshError as error:
        if error.kind.status >= 500:
            raise
        outcome, status, body = error, error.kind.status, _encode_error(error)
    await session.execute(
        STORE, {"profile_id": row["profile_id"], "key": row["key"], "status": status, "body": body}
    )
    return outcome


async def _stored(session: AsyncSession, row: dict[str, Any]) -> Reply | MeshError:
    found = (await session.execute(READ, {"profile_id": row["profile_id"], "key": row["key"]})).one_or_none()
    if found is None or found.status is None:  # swept, or given up, between the two statements
        return MESH_BUSY.error("The same request was being answered. Try again.")
    if found.fingerprint != row["fingerprint"]:
        return IDEMPOTENCY_MISMATCH.error("This key was used for another body before.")
    if found.status >= 400:
        return _decode_error(found.body)
    return Reply(status=found.status, body=found.body)


def _reply_of(call: Call, outcome: Outcome) -> tuple[int, bytes | None]:
    """What is stored of an outcome. Raises TypeError for an answer with secrets: it may stand nowhere."""
    answer, told = call.operation.answer, outcome.body if isinstance(outcome, Reply) else outcome
    if call.operation.answer_secrets and answer is not None and isinstance(told, answer):
        raise TypeError(f"an answer of {call.operation.name} has secrets and can not be stored")
    if isinstance(outcome, Reply):
        body = outcome.body
        return outcome.status, body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
    return call.operation.status, None if outcome is None else msgspec.json.encode(outcome)


def _encode_error(error: MeshError) -> bytes:
    return msgspec.json.encode(
        ErrorReply(code=error.kind.code, status=error.kind.status, detail=error.detail, errors=error.errors)
    )


def _decode_error(body: bytes) -> MeshError:
    reply = msgspec.json.decode(body, type=ErrorReply)
    kind = ERRORS.get(reply.code, INTERNAL_ERROR)
    return kind.error(reply.detail, reply.errors)
