"""Handlers of the auth service: each operation, and the use case behind it."""

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
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.rpc.registration import TransactionFactory, UseCaseRegistrar
from shared.kit.wire.call import Call


def register_operations(
    handlers: HandlerRegistry,
    units: TransactionFactory[UnitOfWork],
    passwords: Passwords,
    reader: ProfileReader,
    issuer: Issuer,
    policy: AttemptPolicy,
    sealing: Sealing,
) -> None:
    """Register every operation of the contract."""
    registrar = UseCaseRegistrar(handlers, units)
    registrar.read(ops.SESSION_LIST, list_sessions, issuer.clock)
    registrar.read(ops.USER_VERIFY_TOKEN, verify_token, issuer.access, issuer.clock)
    registrar.read(ops.PROFILES_GET, get_profiles)
    registrar.change_once(ops.USER_UPDATE, update_profile, issuer.clock)
    registrar.change_once(ops.USER_SIGNOUT, sign_out, issuer.clock)
    registrar.change_once(ops.SESSION_REVOKE, revoke_session, issuer.clock)
    handlers.register(ops.USER_GET, lambda request, call: get_profile(request, reader))
    handlers.register(ops.KEYS_GET, lambda request, call: get_keys(request, issuer.access, sealing))
    _register_with_secrets(handlers, units, passwords, issuer, policy)


def _register_with_secrets(
    handlers: HandlerRegistry,
    units: UnitOfWorkFactory,
    passwords: Passwords,
    issuer: Issuer,
    policy: AttemptPolicy,
) -> None:
    """Register the operations with passwords or refresh tokens; they begin their transactions themselves.

    Their requests and answers are not stored for idempotency: each use case recognizes a redelivery by
    itself.
    """

    async def signup(request: ops.SignUp, call: Call) -> ops.SignedIn:
        return await sign_up(request, call.call_id, units, passwords, issuer)

    async def signin(request: ops.SignIn, call: Call) -> ops.SignedIn:
        return await sign_in(request, call.call_id, units, passwords, issuer, policy)

    async def refresh(request: ops.Refresh, call: Call) -> ops.Tokens:
        return await refresh_tokens(request, call.call_id, units, issuer)

    async def change(request: ops.ChangePassword, call: Call) -> None:
        await change_password(request, change_key(call), units, passwords, issuer.clock, policy)

    handlers.register(ops.USER_SIGNUP, signup)
    handlers.register(ops.USER_SIGNIN, signin)
    handlers.register(ops.USER_REFRESH, refresh)
    handlers.register(ops.USER_CHANGE_PASSWORD, change)


def change_key(call: Call) -> str | None:
    """Return the identity of a change of password: the caller's Idempotency-Key, or the call id."""
    if call.idempotency_key is not None:
        return f"key {call.idempotency_key}"
    return f"call {call.call_id}" if call.call_id else None
