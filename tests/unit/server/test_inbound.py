"""What comes in, and what goes out to the auth service."""

import re
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from apps.server.inbound.kafka import answer_all, hear
from apps.server.outbound.accounts import AuthAccounts
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
from tests.unit.kit.rpc.calls import SECRET
from tests.unit.server.world import FakeClock, FakeCodes, MemoryDesk, World

ADA = PublicProfile(id=UUID(int=1), name="Ada", image_url=None, revision=4)


def event_of(kind: EventType, data: Answer) -> Event:
    return Event(
        id=UUID(int=2),
        type=kind.name,
        occurred_at=FakeClock().now(),
        revision=4,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


async def known(world: World) -> list[PublicProfile]:
    async with world.units.snapshot() as unit:
        return list((await unit.profiles.known([ADA.id])).values())


def test_every_operation_of_the_contract_is_answered() -> None:
    handlers = HandlerRegistry("server")
    answer_all(handlers, MemoryDesk(MemoryAccounts()), FakeClock(), SystemIds(), FakeCodes())
    assert handlers.unhandled() == []


async def test_a_profile_that_changed_is_kept(world: World) -> None:
    await hear(world.units)(event_of(PROFILE_UPDATED, ADA))
    assert await known(world) == [ADA]


async def test_other_events_are_let_pass(world: World) -> None:
    revoked = SessionRevoked(session_id=UUID(int=3), profile_id=ADA.id)
    await hear(world.units)(event_of(SESSION_REVOKED, revoked))
    assert await known(world) == []


async def test_an_event_that_can_not_be_read_is_not_swallowed(world: World) -> None:
    revoked = SessionRevoked(session_id=UUID(int=3), profile_id=ADA.id)
    with pytest.raises(msgspec.ValidationError):
        await hear(world.units)(event_of(PROFILE_UPDATED, revoked))


async def test_auth_is_asked_in_the_name_and_the_time_of_the_call() -> None:
    asked: list[Any] = []

    class Client:
        async def call(self, operation: Operation, request: GetProfiles, **how: Any) -> PublicProfiles:
            asked.append((operation, request, how))
            return PublicProfiles(items=[ADA])

    call = Call(operation=MEMBER_LIST, correlation_id="c", call_id="i", deadline_ms=123)
    accounts = AuthAccounts(cast(RpcClient, Client()), call)
    assert await accounts.profiles(UUID(int=9), (ADA.id,)) == [ADA]
    request = GetProfiles(reader_id=UUID(int=9), ids=[ADA.id])
    assert asked == [(PROFILES_GET, request, {"correlation_id": "c", "deadline_ms": 123})]


def test_codes_can_not_be_guessed_and_fit_the_contract() -> None:
    codes = {RandomInviteCodes().new() for _ in range(1000)}
    assert len(codes) == 1000
    assert CODE_BYTES * 8 >= 64
    (meta,) = InviteCode.__metadata__  # type: ignore[attr-defined]
    assert all(re.search(meta.pattern, code) and len(code) <= meta.max_length for code in codes)


def test_the_database_is_required_and_its_url_never_shown() -> None:
    with pytest.raises(SettingsError, match="SERVER_DATABASE_URL"):
        load(ServerSettings, {})
    settings = load(
        ServerSettings, {"SERVER_DATABASE_URL": "postgresql://a:hunter2@h/d", "MESH_SECRET": SECRET}
    )
    assert settings.server_database_url == "postgresql://a:hunter2@h/d"
    assert "hunter2" not in repr(settings)
