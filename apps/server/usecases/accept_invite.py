"""invite.accept"""

from apps.server.domain.servers import SERVERS_MAX, MemberRecord, ServerRecord
from apps.server.ports import UnitOfWork
from apps.server.usecases.find_invite import invite_expired, invite_not_found, server_id_of
from apps.server.usecases.steps import record, with_channels
from shared.contracts import errors, event
from shared.contracts.clock import Clock
from shared.contracts.fields import Role
from shared.contracts.server import OfInvite, Server


async def accept_invite(request: OfInvite, unit: UnitOfWork, clock: Clock) -> Server:
    """Join a server by its standing code or by an invite, as GUEST.

    * Who is in already gets the server and uses nothing up, even when the invite is no longer good.
    * Uses are counted exactly, and a person is in at most 100 servers, however many requests run at once:
      the locks are taken in the order person, server, invite.
    * Who was kicked may come back.
    """
    server_id = await server_id_of(unit, request.code)
    await unit.members.lock_person(request.profile_id)
    server = await unit.servers.lock(server_id)
    if server is None:
        raise invite_not_found()
    joined = await unit.members.get(server_id, request.profile_id)
    await _use(request.code, server, unit, clock, already_in=joined is not None)
    if joined is None:
        await _join(request, server, unit, clock)
    return await with_channels(unit, server)


async def _use(code: str, server: ServerRecord, unit: UnitOfWork, clock: Clock, *, already_in: bool) -> None:
    """Check the code again, now that nobody can change it, and count the use."""
    if server.invite_code == code:
        return
    invite = await unit.invites.lock(code)
    if invite is None:
        raise invite_not_found()
    if already_in:
        return
    now = clock.now()
    if not invite.is_good(now):
        raise invite_expired()
    invite.uses, invite.used_at = invite.uses + 1, now
    await unit.invites.save(invite)


async def _join(request: OfInvite, server: ServerRecord, unit: UnitOfWork, clock: Clock) -> None:
    if await unit.members.count_of(request.profile_id) >= SERVERS_MAX:
        raise errors.SERVER_LIMIT.exception(f"You are in {SERVERS_MAX} servers.")
    member = MemberRecord(
        server_id=server.id, profile_id=request.profile_id, role=Role.GUEST, joined_at=clock.now()
    )
    server.member_count += 1
    await record(unit, server, event.MEMBER_JOINED, member.fact())
    await unit.members.add(member)
    await unit.servers.save(server)
