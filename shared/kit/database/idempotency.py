"""Idempotency of requests: a repeated `Idempotency-Key`, or a redelivered record, has its effect once."""

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

__all__ = [
    "KEY_LIFE",
    "REDELIVERY_LIFE",
    "StoredResponse",
    "find_stored",
    "requests_table",
    "run_once",
    "sweep_requests",
]

KEY_LIFE = timedelta(hours=24)
REDELIVERY_LIFE = timedelta(hours=1)
"""As long as Kafka keeps requests: an older one cannot be delivered again."""

_ids = SystemIds()

Result = Answer | Reply | ServiceError | None
Work = Callable[[AsyncSession], Awaitable[Result]]


class StoredResponse(Struct, frozen=True):
    """The stored response to a request, with the SHA-256 fingerprint of the request's body."""

    fingerprint: bytes
    status: int
    body: bytes | None

    def answer(self, body: bytes) -> Reply:
        """Return the stored reply to a request with this body.

        Raises the stored error, or `idempotency.mismatch` if the key was used for another body.
        """
        if self.fingerprint != sha256(body).digest():
            raise IDEMPOTENCY_MISMATCH.exception("This key was used for another body before.")
        if self.status >= 400:
            raise _decode_error(self.body or b"")
        return Reply(status=self.status, body=self.body)


async def find_stored(
    session: AsyncSession, call: Call, profile_id: UUID, *, clock: Clock | None = None
) -> StoredResponse | None:
    """Return the response stored for this caller's key, or for this call; None if there is none.

    For use cases that do something before `run_once`, or do not know the body yet.
    """
    return await _stored(session, _row_of(call, profile_id, clock))


async def run_once(
    database: Database,
    call: Call,
    profile_id: UUID,
    work: Work,
    *,
    clock: Clock | None = None,
    store_errors: bool = True,
) -> Answer | Reply | None:
    """Do `work` in a transaction, unless a call with this caller's key, or this call, was done before.

    Returns the result of `work`, or the stored reply. A typed error below 500 that `work` raises rolls the
    work back, is stored if `store_errors`, and is raised; any other error leaves no trace, so that the caller
    may try again. A typed error that `work` returns is stored together with the work, then raised. Raises
    `idempotency.mismatch` if the key was used for another body, `mesh.busy` as `Database.transaction` does.
    """
    row = _row_of(call, profile_id, clock)
    outcome: Result | StoredResponse
    async with database.transaction() as session:
        if await _claim(session, row):
            outcome = await _work_and_store(session, call, row, work, store_errors)
        else:
            outcome = await _stored(session, row) or _in_progress()
    if isinstance(outcome, StoredResponse):
        return outcome.answer(call.body)
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


async def sweep_requests(database: Database, clock: Clock) -> int:
    """Delete expired responses, in small transactions; return their number. Run it once a minute."""
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
    """Return the key that identifies a repetition of the call, and its lifetime."""
    if call.idempotency_key is not None:
        return f"key {call.idempotency_key}", KEY_LIFE
    # A record of a foreign producer without a call id cannot be recognized again.
    return f"call {call.operation.name} {call.call_id or _ids.text()}", REDELIVERY_LIFE


async def _claim(session: AsyncSession, row: dict[str, Any]) -> bool:
    return (await session.execute(CLAIM, row)).first() is not None


async def _work_and_store(
    session: AsyncSession, call: Call, row: dict[str, Any], work: Work, store_errors: bool
) -> Result:
    """Do the work and store its outcome in one transaction; a typed error rolls back the work alone."""
    outcome: Result
    try:
        async with session.begin_nested():
            outcome = await work(session)
            status, body = _reply_of(call, outcome)
    except ServiceError as error:
        if error.code.status >= 500 or not store_errors:
            raise
        outcome, (status, body) = error, _reply_of(call, error)
    await session.execute(
        STORE, {"profile_id": row["profile_id"], "key": row["key"], "status": status, "body": body}
    )
    return outcome


async def _stored(session: AsyncSession, row: dict[str, Any]) -> StoredResponse | None:
    stored = (await session.execute(READ, row)).one_or_none()
    if stored is None or stored.status is None:
        return None
    return StoredResponse(stored.fingerprint, stored.status, stored.body)


def _in_progress() -> ServiceError:
    """Return the error for a row that was swept, or rolled back, between the two statements."""
    return MESH_BUSY.exception("The same request was in progress. Try again.")


def _reply_of(call: Call, outcome: Result) -> tuple[int, bytes | None]:
    """Return status and body to store. Raises TypeError for an answer with secrets, which is never stored."""
    if isinstance(outcome, ServiceError):
        return outcome.code.status, _encode_error(outcome)
    answer_type, answer = call.operation.answer, outcome.body if isinstance(outcome, Reply) else outcome
    if call.operation.answer_secrets and answer_type is not None and isinstance(answer, answer_type):
        raise TypeError(f"an answer of {call.operation.name} has secrets and cannot be stored")
    if isinstance(outcome, Reply):
        body = outcome.body
        return outcome.status, body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
    return call.operation.status, None if outcome is None else msgspec.json.encode(outcome)


def _encode_error(error: ServiceError) -> bytes:
    return msgspec.json.encode(
        ErrorReply(code=error.code.name, status=error.code.status, detail=error.detail, errors=error.errors)
    )


def _decode_error(body: bytes) -> ServiceError:
    reply = msgspec.json.decode(body, type=ErrorReply)
    error_code = ERRORS.get(reply.code, INTERNAL_ERROR)
    return error_code.exception(reply.detail, reply.errors)
