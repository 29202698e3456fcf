"""The clock of the machine is set back while calls and events are in flight."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.account import USER_SIGNOUT, SignOut
from shared.contracts.event import Event
from shared.kit.clock import SystemIds
from shared.kit.rpc.client import RpcClient
from shared.kit.wire.call import Call, Reply
from tests.integration.kit.inbox_place import Place, event
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    make_topics,
    running_client,
    running_service,
    settings_for,
)
from tests.support.polling import until

BACK_S = 5


@pytest.fixture
def set_back(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that sets the wall clock of this process back; the monotonic clock goes on."""
    real, real_ns = time.time, time.time_ns

    def go() -> None:
        monkeypatch.setattr(time, "time", lambda: real() - BACK_S)
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() - BACK_S * 1_000_000_000)

    return go


async def sign_out(client: RpcClient) -> Any:
    request = SignOut(profile_id=uuid4(), session_id=uuid4())
    body = b'{"profileId": "%s", "sessionId": "%s"}' % (
        str(request.profile_id).encode(),
        str(request.session_id).encode(),
    )
    return await client.send_raw(
        USER_SIGNOUT,
        body,
        USER_SIGNOUT.key_of(request),
        correlation_id="back",
        deadline_ms=time.time_ns() // 1_000_000 + 4_000,
    )


async def test_calls_are_answered_as_if_nothing_were(
    kafka_bootstrap: str, set_back: Callable[[], None]
) -> None:
    await make_request_topics(kafka_bootstrap, "auth")
    await make_topics(kafka_bootstrap, "auth.dead-letters", partitions=1)
    settings = settings_for(kafka_bootstrap, call_timeout_ms=4_000)

    async def slow(request: Any, call: Call) -> Reply:
        await asyncio.sleep(0.3)
        return Reply(200, b"fine")

    async with running_client(settings) as client, running_service(settings, answering_all("auth", slow)):
        assert (await sign_out(client)).status == 200
        under_way = [asyncio.create_task(sign_out(client)) for _ in range(20)]
        await asyncio.sleep(0.1)
        set_back()
        begun = time.monotonic()
        later = [asyncio.create_task(sign_out(client)) for _ in range(20)]
        replies = await asyncio.gather(*under_way, *later)
        assert {reply.status for reply in replies} == {200}
        assert time.monotonic() - begun < 3
        assert client.pending == 0


async def test_a_retry_waits_for_no_longer_than_its_delay(place: Place, set_back: Callable[[], None]) -> None:
    times: list[float] = []

    async def handler(taken: Event) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            set_back()
            raise RuntimeError("once")

    await place.send(("key", event(1)))
    async with place.inbox(handler):
        await until(lambda: len(times) == 2)
    assert 0.8 < times[1] - times[0] < 4


def test_ids_go_on_growing(set_back: Callable[[], None]) -> None:
    """The library reads the system clock itself, so its ids are made by hand."""

    def made() -> UUID:
        return UUID(int=(time.time_ns() // 1_000_000 << 80) | (0x7 << 76) | (0x2 << 62))

    ids = SystemIds(made)
    before = [ids.new() for _ in range(10)]
    set_back()
    after = [ids.new() for _ in range(10)]
    assert before + after == sorted({*before, *after})
