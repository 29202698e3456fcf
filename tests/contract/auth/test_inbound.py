"""Requests as they come from the mesh, to a service put together as main does."""

import time
from collections.abc import AsyncIterator
from itertools import count
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from apps.auth.inbound.kafka import change_key, register_operations
from apps.auth.outbound.accounts import SqlProfileReader
from apps.auth.outbound.passwords import ArgonPasswords
from apps.auth.outbound.unit_of_work import sql_unit_of_work_factory
from shared.contracts import account as ops
from shared.contracts.base import Request
from shared.contracts.errors import IDEMPOTENCY_MISMATCH, PROFILE_NOT_FOUND, SESSION_NOT_FOUND
from shared.contracts.operation import Operation
from shared.kit.clock import SystemIds
from shared.kit.database.database import Database
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call, Reply
from tests.unit.auth.world import PASSWORD, World, error_of


@pytest.fixture
def world(postgres_world: World) -> World:
    """Run on Postgres only."""
    return postgres_world


_numbers = count(1)


class Service:
    """The handlers of auth, asked in JSON."""

    def __init__(self, handlers: HandlerRegistry) -> None:
        self.handlers = handlers

    async def ask(
        self, operation: Operation, call_id: str | None = None, key: str | None = None, **fields: Any
    ) -> Any:
        body = msgspec.json.encode(fields)
        call = Call(
            operation=operation,
            correlation_id="c",
            call_id=call_id or f"inbound-{next(_numbers)}",
            deadline_ms=int(time.time() * 1000) + 10_000,
            idempotency_key=key,
            body=body,
        )
        request: Request = msgspec.json.decode(body, type=operation.request)
        answer = await self.handlers.single[operation.name](request, call)
        if isinstance(answer, Reply):
            return msgspec.json.decode(answer.body) if answer.body else None
        return None if answer is None else msgspec.json.decode(msgspec.json.encode(answer))


@pytest.fixture
async def service(world: World, database: Database) -> AsyncIterator[Service]:
    passwords = ArgonPasswords(memory_kib=64)
    handlers = HandlerRegistry("auth")
    units = sql_unit_of_work_factory(database, world.clock, SystemIds())
    reader = SqlProfileReader(database)
    register_operations(handlers, units, passwords, reader, world.issuer, world.attempt_policy, world.sealing)
    yield Service(handlers)
    await passwords.close()


async def signed_up(service: Service) -> Any:
    return await service.ask(ops.USER_SIGNUP, name="Ada", email="ada@example.org", password=PASSWORD)


def ids(world: World, signed_in: Any) -> dict[str, str]:
    claims = world.access.verify(signed_in["accessToken"])
    return {"profileId": str(claims.sub), "sessionId": str(claims.sid)}


async def test_every_operation_of_the_contract_is_answered(service: Service) -> None:
    assert service.handlers.unhandled() == []


async def test_the_whole_way_of_an_account(service: Service, world: World) -> None:
    me = await signed_up(service)
    assert set(me) == {"profile", "accessToken", "refreshToken", "expiresInS"}
    mine = ids(world, me)
    assert await service.ask(ops.USER_GET, profileId=mine["profileId"]) == me["profile"]
    changed = await service.ask(ops.USER_UPDATE, profileId=mine["profileId"], name="Countess")
    assert changed["name"] == "Countess"
    tokens = await service.ask(ops.USER_REFRESH, refreshToken=me["refreshToken"])
    assert set(tokens) == {"accessToken", "refreshToken", "expiresInS"}
    verified = await service.ask(ops.USER_VERIFY_TOKEN, token=tokens["accessToken"])
    assert (verified["profile"], verified["claims"]["sid"]) == (changed, mine["sessionId"])
    (key,) = (await service.ask(ops.KEYS_GET))["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")
    assert "d" not in key
    public = await service.ask(ops.PROFILES_GET, readerId=mine["profileId"], ids=[mine["profileId"]])
    assert public["items"][0]["name"] == "Countess"
    other = await service.ask(ops.USER_SIGNIN, email="ada@example.org", password=PASSWORD)
    listed = await service.ask(ops.SESSION_LIST, **mine)
    assert sorted(session["current"] for session in listed["items"]) == [False, True]
    gone = {"profileId": mine["profileId"], "revokedId": ids(world, other)["sessionId"]}
    assert await service.ask(ops.SESSION_REVOKE, **gone) is None
    assert await error_of(service.ask(ops.SESSION_REVOKE, **gone)) is SESSION_NOT_FOUND
    assert await service.ask(ops.USER_SIGNOUT, **mine) is None
    assert (await service.ask(ops.SESSION_LIST, **mine))["items"] == []
    assert len(await world.revoked()) == 2


async def test_what_is_delivered_again_has_its_first_answer(service: Service, world: World) -> None:
    me = await signed_up(service)
    other = await service.ask(ops.USER_SIGNIN, email="ada@example.org", password=PASSWORD)
    profile_id = me["profile"]["id"]
    revoke = {"profileId": profile_id, "revokedId": ids(world, other)["sessionId"]}
    for _ in range(2):
        assert await service.ask(ops.SESSION_REVOKE, call_id="revoke", **revoke) is None
    first = await service.ask(ops.USER_UPDATE, call_id="update", profileId=profile_id, name="B")
    await service.ask(ops.USER_UPDATE, profileId=profile_id, name="C")
    assert await service.ask(ops.USER_UPDATE, call_id="update", profileId=profile_id, name="B") == first
    assert (await service.ask(ops.USER_GET, profileId=profile_id))["name"] == "C"
    missing = service.ask(ops.USER_UPDATE, profileId=str(uuid4()), name="D")
    assert await error_of(missing) is PROFILE_NOT_FOUND


async def test_a_change_of_password_with_a_key_is_done_once(service: Service, world: World) -> None:
    mine = ids(world, await signed_up(service))
    change = {**mine, "current": PASSWORD, "new": "another password"}
    for _ in range(2):
        assert await service.ask(ops.USER_CHANGE_PASSWORD, key="POST /api/auth/password k", **change) is None
    change["new"] = "third password"
    again = service.ask(ops.USER_CHANGE_PASSWORD, key="POST /api/auth/password k", **change)
    assert await error_of(again) is IDEMPOTENCY_MISMATCH
    await service.ask(ops.USER_SIGNIN, email="ada@example.org", password="another password")


async def test_no_password_and_no_refresh_token_is_stored_anywhere(
    service: Service, world: World, database: Database
) -> None:
    me = await signed_up(service)
    tokens = await service.ask(ops.USER_REFRESH, refreshToken=me["refreshToken"])
    change = {**ids(world, me), "current": PASSWORD, "new": "another password"}
    await service.ask(ops.USER_CHANGE_PASSWORD, key="k", **change)
    secrets = [PASSWORD, "another password"]
    secrets += [token.partition(".")[2] for token in (me["refreshToken"], tokens["refreshToken"])]
    secrets += [me["accessToken"], tokens["accessToken"]]
    async with database.connection() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        stored = [
            bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
            for table in tables
            for row in await connection.fetch(f'SELECT * FROM "{table["tablename"]}"')
            for value in row.values()
        ]
    assert len(stored) > 40
    assert [secret for secret in secrets if any(secret.encode() in value for value in stored)] == []


def test_a_call_without_any_id_is_never_known_again() -> None:
    call = Call(operation=ops.USER_CHANGE_PASSWORD, correlation_id="", call_id="", deadline_ms=0)
    assert change_key(call) is None
