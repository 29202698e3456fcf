"""Calls and answers over the real broker."""

import asyncio
from uuid import UUID, uuid4

import pytest

from shared.contracts import account
from shared.contracts.account import USER_SIGNOUT, GetKeys, Jwk, Jwks, SignOut
from shared.contracts.errors import MESH_TIMEOUT, SESSION_NOT_FOUND, ServiceError
from shared.contracts.operation import Operation
from shared.kit.clock import now_ms
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    running_client,
    running_service,
    settings_for,
)


@pytest.fixture
async def bootstrap(kafka_bootstrap: str) -> str:
    await make_request_topics(kafka_bootstrap, "auth")
    return kafka_bootstrap


def _handlers(operation: Operation, handler: object) -> HandlerRegistry:
    handlers = answering_all("auth", _unexpected)
    handlers.single[operation.name] = handler  # type: ignore[assignment]
    return handlers


async def _unexpected(request: object, call: Call) -> None:
    raise AssertionError(f"{call.operation.name} was not to be called")


async def test_a_call_is_answered(bootstrap: str) -> None:
    async def keys(request: GetKeys, call: Call) -> Jwks:
        return Jwks(keys=[Jwk(kid=call.correlation_id, x=request.audience)])

    settings = settings_for(bootstrap)
    async with (
        running_service(settings, _handlers(account.KEYS_GET, keys)),
        running_client(settings) as client,
    ):
        answer = await client.call(account.KEYS_GET, GetKeys(audience="a"), correlation_id="c-1")
    assert answer == Jwks(keys=[Jwk(kid="c-1", x="a")])


async def test_the_first_calls_are_answered_when_the_service_comes_later(bootstrap: str) -> None:
    async def keys(request: GetKeys, call: Call) -> Jwks:
        return Jwks(keys=[Jwk(kid="k", x=request.audience)])

    settings = settings_for(bootstrap)
    async with running_client(settings) as client:
        calls = [
            asyncio.create_task(client.call(account.KEYS_GET, GetKeys(audience=str(n)))) for n in range(50)
        ]
        await asyncio.sleep(0.2)
        async with running_service(settings, _handlers(account.KEYS_GET, keys)):
            answers = await asyncio.gather(*calls)
    assert [answer.keys[0].x for answer in answers] == [str(n) for n in range(50)]


async def test_a_typed_error_reaches_the_caller(bootstrap: str) -> None:
    async def refuse(request: SignOut, call: Call) -> None:
        raise SESSION_NOT_FOUND.exception("It has ended.")

    settings = settings_for(bootstrap)
    request = SignOut(profile_id=uuid4(), session_id=uuid4())
    async with running_service(settings, _handlers(USER_SIGNOUT, refuse)), running_client(settings) as client:
        with pytest.raises(ServiceError) as raised:
            await client.call(USER_SIGNOUT, request)
    assert (raised.value.code, raised.value.detail) == (SESSION_NOT_FOUND, "It has ended.")


async def test_a_handler_that_raises_still_replies(bootstrap: str) -> None:
    async def broken(request: SignOut, call: Call) -> None:
        raise ZeroDivisionError

    settings = settings_for(bootstrap)
    request = SignOut(profile_id=uuid4(), session_id=uuid4())
    async with running_service(settings, _handlers(USER_SIGNOUT, broken)), running_client(settings) as client:
        with pytest.raises(ServiceError) as raised:
            await client.call(USER_SIGNOUT, request)
    assert raised.value.code.name == "internal.error"


async def test_nobody_answers_until_the_deadline(bootstrap: str) -> None:
    async with running_client(settings_for(bootstrap)) as client:
        with pytest.raises(ServiceError) as raised:
            await client.call(account.KEYS_GET, GetKeys(), deadline_ms=now_ms() + 300)
        assert raised.value.code is MESH_TIMEOUT
        assert client.pending == 0


async def test_a_slow_request_delays_only_its_own_key(bootstrap: str) -> None:
    slow = UUID(int=1)
    release = asyncio.Event()
    order: list[int] = []

    async def sign_out(request: SignOut, call: Call) -> None:
        if request.profile_id == slow and not order:
            await release.wait()
        if request.profile_id == slow:
            order.append(request.session_id.int)

    settings = settings_for(bootstrap)
    async with (
        running_service(settings, _handlers(USER_SIGNOUT, sign_out)),
        running_client(settings) as client,
    ):
        held = [
            asyncio.create_task(
                client.call(USER_SIGNOUT, SignOut(profile_id=slow, session_id=UUID(int=number)))
            )
            for number in range(20)
        ]
        await asyncio.sleep(0.3)
        others = (SignOut(profile_id=uuid4(), session_id=uuid4()) for _ in range(200))
        await asyncio.wait_for(asyncio.gather(*(client.call(USER_SIGNOUT, other) for other in others)), 5)
        assert order == []
        release.set()
        await asyncio.gather(*held)
    assert order == list(range(20))


async def test_two_callers_and_two_replicas(bootstrap: str) -> None:
    """Every reply reaches the process that asked, also while replicas come and go."""

    async def keys(request: GetKeys, call: Call) -> Jwks:
        return Jwks(keys=[Jwk(kid="k", x=request.audience)])

    settings = settings_for(bootstrap)
    async with (
        running_service(settings, _handlers(account.KEYS_GET, keys), "one"),
        running_client(settings) as first,
        running_client(settings) as second,
    ):

        async def ask(name: str, number: int) -> bool:
            client = first if name == "first" else second
            answer = await client.call(account.KEYS_GET, GetKeys(audience=f"{name}-{number}"))
            return answer.keys[0].x == f"{name}-{number}"

        async def ask_many() -> list[bool]:
            return await asyncio.gather(*(ask(name, n) for n in range(100) for name in ("first", "second")))

        assert all(await ask_many())
        during = asyncio.create_task(ask_many())
        async with running_service(settings, _handlers(account.KEYS_GET, keys), "two"):
            assert all(await ask_many())
            leaving = asyncio.create_task(ask_many())
            await asyncio.sleep(0.05)
        assert all(await during)
        assert all(await leaving)
