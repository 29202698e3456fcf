"""Operation → use case, and event → use case."""

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import msgspec

from apps.server.ports import Accounts, InviteCodes, UnitOfWork, UnitOfWorkFactory
from apps.server.usecases.accept_invite import accept_invite
from apps.server.usecases.channel_access import channel_access
from apps.server.usecases.create_channel import create_channel
from apps.server.usecases.create_invite import create_invite
from apps.server.usecases.create_server import create_server
from apps.server.usecases.delete_channel import delete_channel
from apps.server.usecases.delete_server import delete_server
from apps.server.usecases.get_channel import get_channel
from apps.server.usecases.get_invite import get_invite
from apps.server.usecases.get_server import get_server
from apps.server.usecases.keep_profile import keep_profile
from apps.server.usecases.leave_server import leave_server
from apps.server.usecases.list_channels import list_channels
from apps.server.usecases.list_invites import list_invites
from apps.server.usecases.list_members import list_members
from apps.server.usecases.list_servers import list_servers
from apps.server.usecases.regenerate_code import regenerate_code
from apps.server.usecases.remove_member import remove_member
from apps.server.usecases.revoke_invite import revoke_invite
from apps.server.usecases.server_exists import server_exists
from apps.server.usecases.update_channel import update_channel
from apps.server.usecases.update_member import update_member
from apps.server.usecases.update_server import update_server
from shared.contracts import server as ops
from shared.contracts.account import PublicProfile
from shared.contracts.clock import Clock, Ids
from shared.contracts.event import PROFILE_UPDATED, Event
from shared.contracts.operation import Operation
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call

A = TypeVar("A")
Tools = ParamSpec("Tools")
UseCase = Callable[Concatenate[Any, UnitOfWork, Tools], Awaitable[A]]


class Once(UnitOfWorkFactory, Protocol):
    """Units whose work can be done once for each call."""

    async def once(self, call: Call, profile_id: Any, work: Callable[[UnitOfWork], Awaitable[Any]]) -> Any:
        """Do the work in a transaction unless this very call, or its Idempotency-Key, was done before."""


class Desk(Protocol):
    """Where use cases get their units and the auth service from."""

    @property
    def units(self) -> Once:
        """The service's database."""

    def accounts(self, call: Call) -> Accounts:
        """The auth service, asked under this call's deadline."""


class Inbound:
    """Puts the use cases behind the operations of one registry."""

    def __init__(self, handlers: HandlerRegistry, desk: Desk) -> None:
        self._handlers = handlers
        self._desk = desk

    def read(
        self, operation: Operation, usecase: UseCase[Tools, A], *tools: Tools.args, **named: Tools.kwargs
    ) -> None:
        """Answer from one snapshot."""

        async def answer(request: Any, call: Call) -> Any:
            async with self._desk.units.snapshot() as unit:
                return await usecase(request, unit, *tools, **named)

        self._handlers.register(operation, answer)

    def change(
        self, operation: Operation, usecase: UseCase[Tools, A], *tools: Tools.args, **named: Tools.kwargs
    ) -> None:
        """Answer from one transaction, through the ledger where the contract says idempotent."""

        async def answer(request: Any, call: Call) -> Any:
            async with self._desk.units.transaction() as unit:
                return await usecase(request, unit, *tools, **named)

        async def answer_once(request: Any, call: Call) -> Any:
            return await self._desk.units.once(
                call, request.profile_id, lambda unit: usecase(request, unit, *tools, **named)
            )

        self._handlers.register(operation, answer_once if operation.idempotent else answer)

    def ask(
        self, operation: Operation, usecase: Callable[[Any, UnitOfWorkFactory, Accounts], Awaitable[A]]
    ) -> None:
        """Answer with the help of the auth service, outside of any transaction."""

        async def answer(request: Any, call: Call) -> Any:
            return await usecase(request, self._desk.units, self._desk.accounts(call))

        self._handlers.register(operation, answer)


def answer_all(handlers: HandlerRegistry, desk: Desk, clock: Clock, ids: Ids, codes: InviteCodes) -> None:
    """Every operation of the contract."""
    inbound = Inbound(handlers, desk)
    read, change, ask = inbound.read, inbound.change, inbound.ask
    change(ops.CREATE_SERVER, create_server, clock, ids, codes)
    read(ops.LIST_SERVERS, list_servers)
    read(ops.GET_SERVER, get_server)
    change(ops.UPDATE_SERVER, update_server, clock)
    change(ops.DELETE_SERVER, delete_server, clock)
    read(ops.SERVER_EXISTS, server_exists)
    change(ops.LEAVE_SERVER, leave_server)
    change(ops.CHANNEL_CREATE, create_channel, clock, ids)
    read(ops.CHANNEL_LIST, list_channels)
    read(ops.CHANNEL_GET, get_channel)
    change(ops.CHANNEL_UPDATE, update_channel, clock)
    change(ops.CHANNEL_DELETE, delete_channel)
    read(ops.CHANNEL_ACCESS, channel_access)
    ask(ops.MEMBER_LIST, list_members)
    ask(ops.MEMBER_UPDATE, update_member)
    change(ops.MEMBER_REMOVE, remove_member)
    change(ops.INVITE_CREATE, create_invite, clock, ids, codes)
    read(ops.INVITE_LIST, list_invites, clock)
    change(ops.INVITE_REVOKE, revoke_invite, clock, codes)
    change(ops.INVITE_REGENERATE, regenerate_code, clock, codes)
    read(ops.INVITE_GET, get_invite, clock)
    change(ops.INVITE_ACCEPT, accept_invite, clock)


def hear(units: UnitOfWorkFactory) -> Callable[[Event], Awaitable[None]]:
    """The handler of `user-events`."""

    async def heard(event: Event) -> None:
        if event.type == PROFILE_UPDATED.name:
            profile = msgspec.json.decode(event.data, type=PublicProfile)
            async with units.transaction() as unit:
                await keep_profile(profile, unit)

    return heard
