"""Which server a code belongs to: a server's standing code or an invite."""

from uuid import UUID

from apps.server.ports import UnitOfWork
from shared.contracts import errors


async def server_id_of(unit: UnitOfWork, code: str) -> UUID:
    """The server that a code leads to, as of now: under the server's lock it may be gone."""
    invite = await unit.invites.get(code)
    server_id = invite.server_id if invite else await unit.servers.id_of_code(code)
    if server_id is None:
        raise invite_not_found()
    return server_id


def invite_not_found() -> errors.ServiceError:
    """The error for a code that was never given, was revoked, or leads to a deleted server."""
    return errors.INVITE_NOT_FOUND.exception("There is no invite with this code.")


def invite_expired() -> errors.ServiceError:
    """The error for an invite past its time or its number of uses."""
    return errors.INVITE_EXPIRED.exception("This invite has expired or was used up. Ask for a new one.")
