"""Handlers of operations and events, and calls to the auth service."""

import re
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from apps.server.inbound.kafka import on_user_event, register_operations
from apps.server.outbound.accounts import RpcAccounts
from apps.server.outbound.invite_codes import CODE_BYTES, RandomInviteCodes
from apps.server.settings import ServerSettings
from shared.contracts.account import PROFILES_GET, GetProfiles, PublicProfile, PublicProfiles
from shared.contracts.base import Answer
from shared.contracts.event import PROFILE_UPDATED, SESSION_REVOKED, Event, EventType, SessionRevoked
from shared.contracts.fields import InviteCode
from shared.contracts.operation import Operation
from shared.contracts.server import MEMBER_LIST
from shared.kit.clock import SystemIds
from shared.kit.config.env import SettingsError, load
from shared.kit.rpc.client import RpcClient
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call
from tests.fakes.server.profiles import MemoryAccounts
from tests.fakes.server.unit_of_work import MemoryUnitOfWorkFactory
from tests.unit.kit.rpc.calls import SECRET
from tests.unit.server.world import FakeClock, FakeCodes, World

ADA = PublicProfile(id=UUID(int=1), name="Ada", image_url=None, revision=4)


def event_of(event_type: EventType, data: Answer) -> Event:
    return Event(
        id=UUID(int=2),
        type=event_type.name,
        occurred_at=FakeClock().now(),
        revision=4,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


async def stored_profiles(world: World) -> list[PublicProfile]:
    async with world.units.snapshot() as unit:
        return list((await unit.profiles.find([ADA.id])).values())


def test_every_operation_of_the_contract_has_a_handler() -> None:
    handlers = HandlerRegistry("server")
    units, accounts = MemoryUnitOfWorkFactory(), MemoryAccounts()
    register_operations(handlers, units, lambda call: accounts, FakeClock(), SystemIds(), FakeCodes())
    assert handlers.unhandled() == []


async def test_a_changed_profile_is_stored(world: World) -> None:
    await on_user_event(world.units)(event_of(PROFILE_UPDATED, ADA))
    assert await stored_profiles(world) == [ADA]


async def test_other_events_are_ignored(world: World) -> None:
    revoked = SessionRevoked(session_id=UUID(int=3), profile_id=ADA.id)
    await on_user_event(world.units)(event_of(SESSION_REVOKED, revoked))
    assert await stored_profiles(world) == []


async def test_an_undecodable_event_raises(world: World) -> None:
    revoked = SessionRevoked(session_id=UUID(int=3), profile_id=ADA.id)
    with pytest.raises(msgspec.ValidationError):
        await on_user_event(world.units)(event_of(PROFILE_UPDATED, revoked))


async def test_auth_is_called_with_the_correlation_id_and_deadline_of_the_call() -> None:
    requests: list[Any] = []

    class Client:
        async def call(self, operation: Operation, request: GetProfiles, **options: Any) -> PublicProfiles:
            requests.append((operation, request, options))
            return PublicProfiles(items=[ADA])

    call = Call(operation=MEMBER_LIST, correlation_id="c", call_id="i", deadline_ms=123)
    accounts = RpcAccounts(cast(RpcClient, Client()), call)
    assert await accounts.profiles(UUID(int=9), (ADA.id,)) == [ADA]
    request = GetProfiles(reader_id=UUID(int=9), ids=[ADA.id])
    assert requests == [(PROFILES_GET, request, {"correlation_id": "c", "deadline_ms": 123})]


def test_codes_are_random_and_match_the_contract() -> None:
    codes = {RandomInviteCodes().new() for _ in range(1000)}
    assert len(codes) == 1000
    assert CODE_BYTES * 8 >= 64
    (meta,) = InviteCode.__metadata__  # type: ignore[attr-defined]
    assert all(re.search(meta.pattern, code) and len(code) <= meta.max_length for code in codes)


def test_the_database_url_is_required_and_secret() -> None:
    with pytest.raises(SettingsError, match="SERVER_DATABASE_URL"):
        load(ServerSettings, {})
    settings = load(
        ServerSettings, {"SERVER_DATABASE_URL": "postgresql://a:hunter2@h/d", "MESH_SECRET": SECRET}
    )
    assert settings.server_database_url == "postgresql://a:hunter2@h/d"
    assert "hunter2" not in repr(settings)
