"""Lookup of the server that a code belongs to: a server's standing code or an invite's code."""

from uuid import UUID

from apps.server.ports import UnitOfWork
from shared.contracts import errors


async def server_id_of(unit: UnitOfWork, code: str) -> UUID:
    """Return the id of the code's server. It is not locked: the code may be revoked at any moment.

    Raises `invite.not_found`.
    """
    invite = await unit.invites.get(code)
    server_id = invite.server_id if invite else await unit.servers.id_of_code(code)
    if server_id is None:
        raise invite_not_found()
    return server_id


def invite_not_found() -> errors.ServiceError:
    """Return the error for a code that never existed, was revoked, or belongs to a deleted server."""
    return errors.INVITE_NOT_FOUND.exception("No invite has this code.")


def invite_expired() -> errors.ServiceError:
    """Return the error for an invite that has expired or is used up."""
    return errors.INVITE_EXPIRED.exception("This invite has expired or is used up. Ask for a new one.")
