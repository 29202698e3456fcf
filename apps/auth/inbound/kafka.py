"""Operation → use case."""

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from uuid import UUID

from apps.auth.domain.attempts import AttemptPolicy
from apps.auth.ports import Passwords, ProfileReader, Sealing, UnitOfWork, UnitOfWorkFactory
from apps.auth.usecases.change_password import change_password
from apps.auth.usecases.get_keys import get_keys
from apps.auth.usecases.get_profile import get_profile
from apps.auth.usecases.get_profiles import get_profiles
from apps.auth.usecases.list_sessions import list_sessions
from apps.auth.usecases.refresh_tokens import refresh_tokens
from apps.auth.usecases.revoke_session import revoke_session
from apps.auth.usecases.sign_in import sign_in
from apps.auth.usecases.sign_out import sign_out
from apps.auth.usecases.sign_up import sign_up
from apps.auth.usecases.token_issuing import Issuer
from apps.auth.usecases.update_profile import update_profile
from apps.auth.usecases.verify_token import verify_token
from shared.contracts import account as ops
from shared.contracts.operation import Operation
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call

A = TypeVar("A")
Tools = ParamSpec("Tools")
UseCase = Callable[Concatenate[Any, UnitOfWork, Tools], Awaitable[A]]


class Desk(UnitOfWorkFactory, Protocol):
    """Where use cases get their unit from."""

    async def once(self, call: Call, profile_id: UUID, work: Callable[[UnitOfWork], Awaitable[Any]]) -> Any:
        """Do the work in a transaction unless this very call was done before."""


class Inbound:
    """Puts the use cases that work in one transaction behind the operations of one registry."""

    def __init__(self, handlers: HandlerRegistry, desk: Desk) -> None:
        self._handlers = handlers
        self._desk = desk

    def read(
        self, operation: Operation, usecase: UseCase[Tools, A], *tools: Tools.args, **named: Tools.kwargs
    ) -> None:
        """Answer from one snapshot."""

        async def answer(request: Any, call: Call) -> Any:
            async with self._desk.snapshot() as unit:
                return await usecase(request, unit, *tools, **named)

        self._handlers.register(operation, answer)

    def change(
        self, operation: Operation, usecase: UseCase[Tools, A], *tools: Tools.args, **named: Tools.kwargs
    ) -> None:
        """Answer from one transaction; the same call delivered again gets the first answer."""

        async def answer(request: Any, call: Call) -> Any:
            return await self._desk.once(
                call, request.profile_id, lambda unit: usecase(request, unit, *tools, **named)
            )

        self._handlers.register(operation, answer)


def answer_all(
    handlers: HandlerRegistry,
    desk: Desk,
    passwords: Passwords,
    reader: ProfileReader,
    issuer: Issuer,
    policy: AttemptPolicy,
    sealing: Sealing,
) -> None:
    """Every operation of the contract."""
    inbound = Inbound(handlers, desk)
    inbound.read(ops.SESSION_LIST, list_sessions, issuer.clock)
    inbound.read(ops.USER_VERIFY_TOKEN, verify_token, issuer.access, issuer.clock)
    inbound.read(ops.PROFILES_GET, get_profiles)
    inbound.change(ops.USER_UPDATE, update_profile, issuer.clock)
    inbound.change(ops.USER_SIGNOUT, sign_out, issuer.clock)
    inbound.change(ops.SESSION_REVOKE, revoke_session, issuer.clock)
    handlers.register(ops.USER_GET, lambda request, call: get_profile(request, reader))
    handlers.register(ops.KEYS_GET, lambda request, call: get_keys(request, issuer.access, sealing))
    answer_with_secrets(handlers, desk, passwords, issuer, policy)


def answer_with_secrets(
    handlers: HandlerRegistry,
    units: UnitOfWorkFactory,
    passwords: Passwords,
    issuer: Issuer,
    policy: AttemptPolicy,
) -> None:
    """The operations with passwords and refresh tokens: they begin their transactions themselves.

    None of them leaves anything of its request or its answer in the ledger; each knows by itself what to
    do when the same call is delivered again.
    """

    async def signup(request: ops.SignUp, call: Call) -> ops.SignedIn:
        return await sign_up(request, call.call_id, units, passwords, issuer)

    async def signin(request: ops.SignIn, call: Call) -> ops.SignedIn:
        return await sign_in(request, call.call_id, units, passwords, issuer, policy)

    async def refresh(request: ops.Refresh, call: Call) -> ops.Tokens:
        return await refresh_tokens(request, call.call_id, units, issuer)

    async def change(request: ops.ChangePassword, call: Call) -> None:
        await change_password(request, key_of(call), units, passwords, issuer.clock, policy)

    handlers.register(ops.USER_SIGNUP, signup)
    handlers.register(ops.USER_SIGNIN, signin)
    handlers.register(ops.USER_REFRESH, refresh)
    handlers.register(ops.USER_CHANGE_PASSWORD, change)


def key_of(call: Call) -> str | None:
    """What a change of password is known by: the caller's Idempotency-Key, else the call."""
    if call.idempotency_key is not None:
        return f"key {call.idempotency_key}"
    return f"call {call.call_id}" if call.call_id else None
