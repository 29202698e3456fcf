"""Idempotency on Postgres: keys, redeliveries, concurrent requests, errors, stored responses."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.base import Answer
from shared.contracts.errors import (
    CHANNEL_LIMIT,
    IDEMPOTENCY_MISMATCH,
    MESH_BUSY,
    VALIDATION_FAILED,
    FieldError,
    ServiceError,
)
from shared.contracts.examples import example_of
from shared.contracts.file import FILE_CREATE, NewFile
from shared.contracts.server import CHANNEL_CREATE, LEAVE_SERVER, InviteCodeAnswer
from shared.kit.clock import SystemClock, now_ms
from shared.kit.database.database import Database
from shared.kit.database.idempotency import StoredResponse, find_stored, run_once, sweep_requests
from shared.kit.wire.call import Call, Reply
from tests.integration.kit.facts import ids

CALLER = ids.new()


class LaterClock(SystemClock):
    """A clock that is ahead."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return super().now() + self.ahead


class Work:
    """Work that inserts a thing each time it runs, and returns the number of its runs."""

    def __init__(self, *, slow_s: float = 0, error: Exception | None = None, outcome: object = ...) -> None:
        self.times = 0
        self.slow_s = slow_s
        self.error = error
        self.outcome = outcome

    async def __call__(self, session: AsyncSession) -> Answer | Reply | None:
        self.times += 1
        await session.execute(text("INSERT INTO things (id) SELECT count(*) FROM things"))
        await asyncio.sleep(self.slow_s)
        if self.error is not None:
            raise self.error
        if self.outcome is ...:
            return InviteCodeAnswer(invite_code=f"code{self.times}")
        return self.outcome  # type: ignore[return-value]


def call(
    *,
    key: str | None = "POST /api/x 1",
    body: bytes = b"{}",
    call_id: str | None = None,
    operation: object = None,
) -> Call:
    return Call(
        operation=operation or CHANNEL_CREATE,  # type: ignore[arg-type]
        correlation_id="c",
        call_id=call_id or str(ids.new()),
        deadline_ms=now_ms() + 10_000,
        idempotency_key=key,
        body=body,
    )


async def count(database: Database, table: str = "things") -> int:
    async with database.snapshot() as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def shown(outcome: Answer | Reply | None, status: int) -> tuple[int, bytes | None]:
    """Return status and bytes as the caller gets them."""
    if isinstance(outcome, Reply):
        assert outcome.body is None or isinstance(outcome.body, bytes)
        return outcome.status, outcome.body
    return status, None if outcome is None else msgspec.json.encode(outcome)


async def test_the_same_key_returns_the_first_answer(database: Database) -> None:
    work = Work()
    first = await run_once(database, call(), CALLER, work)
    again = await run_once(database, call(), CALLER, work)
    assert shown(first, 201) == shown(again, 201) == (201, b'{"inviteCode":"code1"}')
    assert work.times == 1
    assert await count(database) == 1


async def test_status_and_empty_body_are_stored(database: Database) -> None:
    empty = Work(outcome=None)
    first = await run_once(database, call(operation=LEAVE_SERVER), CALLER, empty)
    again = await run_once(database, call(operation=LEAVE_SERVER), CALLER, empty)
    assert shown(first, 204) == shown(again, 204) == (204, None)
    own = Work(outcome=Reply(status=200, body=b"[1]"))
    await run_once(database, call(key="other"), CALLER, own)
    assert shown(await run_once(database, call(key="other"), CALLER, own), 201) == (200, b"[1]")
    assert (empty.times, own.times) == (1, 1)


async def test_a_key_is_its_callers_own(database: Database) -> None:
    work = Work()
    await run_once(database, call(), CALLER, work)
    await run_once(database, call(), ids.new(), work)
    await run_once(database, call(key="POST /api/x 2"), CALLER, work)
    assert work.times == 3


async def test_another_body_is_a_mismatch_and_does_nothing(database: Database) -> None:
    work = Work()
    await run_once(database, call(), CALLER, work)
    with pytest.raises(ServiceError) as caught:
        await run_once(database, call(body=b'{"other":1}'), CALLER, work)
    assert caught.value.code is IDEMPOTENCY_MISMATCH
    assert work.times == 1


async def test_many_at_once_do_the_work_once(database: Database) -> None:
    work = Work(slow_s=0.2)
    outcomes = await asyncio.gather(*(run_once(database, call(), CALLER, work) for _ in range(8)))
    assert {shown(outcome, 201) for outcome in outcomes} == {(201, b'{"inviteCode":"code1"}')}
    assert work.times == 1
    assert await count(database) == 1


async def test_two_at_once_with_other_bodies_is_one_effect_and_one_mismatch(database: Database) -> None:
    work = Work(slow_s=0.2)
    outcomes = await asyncio.gather(
        run_once(database, call(), CALLER, work),
        run_once(database, call(body=b"[]"), CALLER, work),
        return_exceptions=True,
    )
    errors = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
    assert [error.code for error in errors] == [IDEMPOTENCY_MISMATCH]
    assert work.times == 1


async def test_the_second_takes_over_when_the_first_fails(database: Database) -> None:
    failing, good = Work(slow_s=0.3, error=RuntimeError("a fault")), Work()

    async def second() -> Answer | Reply | None:
        await asyncio.sleep(0.1)
        return await run_once(database, call(), CALLER, good)

    calls = (run_once(database, call(), CALLER, failing), second())
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[0], RuntimeError)
    assert shown(outcomes[1], 201) == (201, b'{"inviteCode":"code1"}')  # type: ignore[arg-type]
    assert (failing.times, good.times) == (1, 1)
    assert await count(database) == 1


async def test_a_typed_error_is_stored_without_the_work(database: Database) -> None:
    fault = VALIDATION_FAILED.exception("all wrong", (FieldError("name", "must be shorter"),))
    for error in (CHANNEL_LIMIT.exception("500 is enough"), fault):
        work, key = Work(error=error), error.code.name
        for _ in range(2):
            with pytest.raises(ServiceError) as caught:
                await run_once(database, call(key=key), CALLER, work)
            told = caught.value
            assert (told.code, told.detail, told.errors) == (error.code, error.detail, error.errors)
        assert work.times == 1
    assert await count(database) == 0
    assert await count(database, "requests") == 2


async def test_a_typed_error_that_work_returns_is_stored_with_the_work(database: Database) -> None:
    work = Work(outcome=CHANNEL_LIMIT.exception("500 is enough"))
    for _ in range(2):
        with pytest.raises(ServiceError, match="500 is enough"):
            await run_once(database, call(), CALLER, work, store_errors=False)
    assert work.times == 1
    assert await count(database) == await count(database, "requests") == 1


async def test_storing_errors_is_optional(database: Database) -> None:
    work = Work(error=CHANNEL_LIMIT.exception("500 is enough"))
    with pytest.raises(ServiceError, match="500 is enough"):
        await run_once(database, call(), CALLER, work, store_errors=False)
    assert await count(database) == await count(database, "requests") == 0
    work.error = None
    assert shown(await run_once(database, call(), CALLER, work), 201) == (201, b'{"inviteCode":"code2"}')


async def test_a_stored_response_is_found_for_the_same_body(database: Database) -> None:
    async def ask(
        asked: Call, caller: UUID = CALLER, ahead: timedelta = timedelta()
    ) -> StoredResponse | None:
        async with database.snapshot() as session:
            return await find_stored(session, asked, caller, clock=LaterClock(ahead))

    assert await ask(call()) is None
    first = await run_once(database, call(), CALLER, Work())
    found = await ask(call(body=b"not asked yet"))
    assert found is not None
    assert shown(found.answer(b"{}"), 0) == shown(first, 201)
    with pytest.raises(ServiceError) as caught:
        found.answer(b"[]")
    assert caught.value.code is IDEMPOTENCY_MISMATCH
    assert await ask(call(key="other")) is await ask(call(), ids.new()) is None
    assert await ask(call(), ahead=timedelta(hours=25)) is None
    with pytest.raises(ServiceError, match="500 is enough"):
        await run_once(database, call(key="no"), CALLER, Work(error=CHANNEL_LIMIT.exception("500 is enough")))
    refusal = await ask(call(key="no"))
    assert refusal is not None
    with pytest.raises(ServiceError, match="500 is enough"):
        refusal.answer(b"{}")


@pytest.mark.parametrize("error", [MESH_BUSY.exception("not now"), ValueError("a fault")])
async def test_a_transient_error_leaves_no_trace(database: Database, error: Exception) -> None:
    work = Work(error=error)
    with pytest.raises(type(error)):
        await run_once(database, call(), CALLER, work)
    assert await count(database) == await count(database, "requests") == 0
    work.error = None
    assert shown(await run_once(database, call(), CALLER, work), 201) == (201, b'{"inviteCode":"code2"}')


async def test_a_cancelled_call_leaves_no_trace(database: Database) -> None:
    work = Work(slow_s=5)
    task = asyncio.create_task(run_once(database, call(), CALLER, work))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    work.slow_s = 0
    assert await run_once(database, call(), CALLER, work)
    assert await count(database) == 1


async def test_a_redelivered_record_has_its_effect_once(database: Database) -> None:
    work, redelivered = Work(), call(key=None, call_id="one")
    first = await run_once(database, redelivered, CALLER, work)
    assert shown(await run_once(database, redelivered, CALLER, work), 201) == shown(first, 201)
    assert work.times == 1
    await run_once(database, call(key=None, call_id="two"), CALLER, work)
    assert work.times == 2


async def test_a_key_never_meets_a_call_id(database: Database) -> None:
    work = Work()
    await run_once(database, call(key=None, call_id="one"), CALLER, work)
    await run_once(database, call(key=f"call {CHANNEL_CREATE.name} one"), CALLER, work)
    assert work.times == 2


async def test_calls_without_an_id_are_each_their_own(database: Database) -> None:
    work = Work()
    anonymous = msgspec.structs.replace(call(key=None), call_id="")
    await run_once(database, anonymous, CALLER, work)
    await run_once(database, anonymous, CALLER, work)
    assert work.times == 2


@pytest.mark.parametrize(("key", "life"), [("k", timedelta(hours=24)), (None, timedelta(hours=1))])
async def test_a_key_expires(database: Database, key: str | None, life: timedelta) -> None:
    work, asked = Work(), call(key=key)
    await run_once(database, asked, CALLER, work)
    soon, late = LaterClock(life - timedelta(minutes=1)), LaterClock(life + timedelta(minutes=1))
    await run_once(database, asked, CALLER, work, clock=soon)
    assert work.times == 1
    again = await run_once(database, asked, CALLER, work, clock=late)
    assert work.times == 2
    stored = await run_once(database, asked, CALLER, work, clock=late)
    assert shown(stored, 201) == shown(again, 201) == (201, b'{"inviteCode":"code2"}')


async def test_the_sweep_deletes_only_expired_responses(database: Database) -> None:
    for number in range(5):
        await run_once(database, call(key=f"{number}"), CALLER, Work())
    await run_once(database, call(key=None), CALLER, Work())
    assert await sweep_requests(database, SystemClock()) == 0
    assert await sweep_requests(database, LaterClock(timedelta(hours=2))) == 1
    assert await sweep_requests(database, LaterClock(timedelta(hours=25))) == 5
    assert await count(database, "requests") == 0


async def test_keys_of_any_kind_are_fine(database: Database) -> None:
    for key in ("x" * 100_000, "\x00", "ключ 🔑"):
        work = Work()
        await run_once(database, call(key=key), CALLER, work)
        await run_once(database, call(key=key), CALLER, work)
        assert work.times == 1


async def test_an_answer_with_secrets_is_not_stored(database: Database) -> None:
    answer = msgspec.convert(example_of(NewFile), NewFile)
    for outcome in (answer, Reply(201, answer)):
        with pytest.raises(TypeError, match=r"file\.create has secrets"):
            await run_once(database, call(operation=FILE_CREATE), CALLER, Work(outcome=outcome))
    assert await count(database) == 0
    assert await count(database, "requests") == 0
