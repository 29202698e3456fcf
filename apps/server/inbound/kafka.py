"""Handlers of the server service: each operation and event, and the use case behind it."""

from collections.abc import Awaitable, Callable

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
from apps.server.usecases.leave_server import leave_server
from apps.server.usecases.list_channels import list_channels
from apps.server.usecases.list_invites import list_invites
from apps.server.usecases.list_members import list_members
from apps.server.usecases.list_servers import list_servers
from apps.server.usecases.regenerate_code import regenerate_code
from apps.server.usecases.remove_member import remove_member
from apps.server.usecases.revoke_invite import revoke_invite
from apps.server.usecases.server_exists import server_exists
from apps.server.usecases.store_profile import store_profile
from apps.server.usecases.update_channel import update_channel
from apps.server.usecases.update_member import update_member
from apps.server.usecases.update_server import update_server
from shared.contracts import server as ops
from shared.contracts.account import PublicProfile
from shared.contracts.clock import Clock, Ids
from shared.contracts.event import PROFILE_UPDATED, Event
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.rpc.registration import TransactionFactory, UseCaseRegistrar
from shared.kit.wire.call import Call

AccountsOf = Callable[[Call], Accounts]
"""Returns the auth service on behalf of a call: with its deadline and correlation id."""


def register_operations(
    handlers: HandlerRegistry,
    units: TransactionFactory[UnitOfWork],
    accounts_of: AccountsOf,
    clock: Clock,
    ids: Ids,
    codes: InviteCodes,
) -> None:
    """Register every operation of the contract."""
    registrar = UseCaseRegistrar(handlers, units)
    _register_servers(registrar, clock, ids, codes)
    _register_channels(registrar, clock, ids)
    _register_members(registrar, handlers, units, accounts_of)
    _register_invites(registrar, clock, ids, codes)


def _register_servers(
    registrar: UseCaseRegistrar[UnitOfWork], clock: Clock, ids: Ids, codes: InviteCodes
) -> None:
    registrar.change_once(ops.CREATE_SERVER, create_server, clock, ids, codes)
    registrar.read(ops.LIST_SERVERS, list_servers)
    registrar.read(ops.GET_SERVER, get_server)
    registrar.change(ops.UPDATE_SERVER, update_server, clock)
    registrar.change(ops.DELETE_SERVER, delete_server, clock)
    registrar.read(ops.SERVER_EXISTS, server_exists)
    registrar.change_once(ops.LEAVE_SERVER, leave_server)


def _register_channels(registrar: UseCaseRegistrar[UnitOfWork], clock: Clock, ids: Ids) -> None:
    registrar.change_once(ops.CHANNEL_CREATE, create_channel, clock, ids)
    registrar.read(ops.CHANNEL_LIST, list_channels)
    registrar.read(ops.CHANNEL_GET, get_channel)
    registrar.change(ops.CHANNEL_UPDATE, update_channel, clock)
    registrar.change(ops.CHANNEL_DELETE, delete_channel)
    registrar.read(ops.CHANNEL_ACCESS, channel_access)


def _register_members(
    registrar: UseCaseRegistrar[UnitOfWork],
    handlers: HandlerRegistry,
    units: UnitOfWorkFactory,
    accounts_of: AccountsOf,
) -> None:
    async def members(request: ops.ListOfServer, call: Call) -> ops.Members:
        return await list_members(request, units, accounts_of(call))

    async def update(request: ops.UpdateMember, call: Call) -> ops.Member:
        return await update_member(request, units, accounts_of(call))

    handlers.register(ops.MEMBER_LIST, members)
    handlers.register(ops.MEMBER_UPDATE, update)
    registrar.change(ops.MEMBER_REMOVE, remove_member)


def _register_invites(
    registrar: UseCaseRegistrar[UnitOfWork], clock: Clock, ids: Ids, codes: InviteCodes
) -> None:
    registrar.change_once(ops.INVITE_CREATE, create_invite, clock, ids, codes)
    registrar.read(ops.INVITE_LIST, list_invites, clock)
    registrar.change(ops.INVITE_REVOKE, revoke_invite, clock, codes)
    registrar.change_once(ops.INVITE_REGENERATE, regenerate_code, clock, codes)
    registrar.read(ops.INVITE_GET, get_invite, clock)
    registrar.change_once(ops.INVITE_ACCEPT, accept_invite, clock)


def on_user_event(units: UnitOfWorkFactory) -> Callable[[Event], Awaitable[None]]:
    """Return the handler of the topic `user-events`."""

    async def handle(event: Event) -> None:
        if event.type == PROFILE_UPDATED.name:
            profile = msgspec.json.decode(event.data, type=PublicProfile)
            async with units.transaction() as unit:
                await store_profile(profile, unit)

    return handle
