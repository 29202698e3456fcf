"""invite.accept"""

from apps.server.domain.members import SERVERS_MAX, MemberRecord
from apps.server.domain.servers import ServerRecord
from apps.server.ports import UnitOfWork
from apps.server.usecases.invite_lookup import invite_expired, invite_not_found, server_id_of
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import with_channels
from shared.contracts import errors, event
from shared.contracts.clock import Clock
from shared.contracts.fields import Role
from shared.contracts.server import OfInvite, Server


async def accept_invite(request: OfInvite, unit: UnitOfWork, clock: Clock) -> Server:
    """Join a server as GUEST by its standing code or by an invite.

    * A member gets the server without using the invite, even if the invite is no longer valid.
    * Uses are counted exactly, and a profile is in at most 100 servers, however many requests run at once:
      locks are taken in the order profile, server, invite.
    * A kicked member may come back.
    """
    server_id = await server_id_of(unit, request.code)
    await unit.members.lock_profile(request.profile_id)
    server = await unit.servers.lock(server_id)
    if server is None:
        raise invite_not_found()
    membership = await unit.members.get(server_id, request.profile_id)
    await _use(request.code, server, unit, clock, is_member=membership is not None)
    if membership is None:
        await _join(request, server, unit, clock)
    return await with_channels(unit, server)


async def _use(code: str, server: ServerRecord, unit: UnitOfWork, clock: Clock, *, is_member: bool) -> None:
    """Check the code again under the server's lock, and count the use."""
    if server.invite_code == code:
        return
    invite = await unit.invites.lock(code)
    if invite is None:
        raise invite_not_found()
    if is_member:
        return
    now = clock.now()
    if not invite.is_valid(now):
        raise invite_expired()
    invite.uses, invite.used_at = invite.uses + 1, now
    await unit.invites.save(invite)


async def _join(request: OfInvite, server: ServerRecord, unit: UnitOfWork, clock: Clock) -> None:
    if await unit.members.count_of(request.profile_id) >= SERVERS_MAX:
        raise errors.SERVER_LIMIT.exception(f"You are a member of {SERVERS_MAX} servers already.")
    member = MemberRecord(
        server_id=server.id, profile_id=request.profile_id, role=Role.GUEST, joined_at=clock.now()
    )
    server.member_count += 1
    await publish_change(unit, server, event.MEMBER_JOINED, member.fact())
    await unit.members.add(member)
    await unit.servers.save(server)
