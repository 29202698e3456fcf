"""member.update"""

from apps.server.domain.members import MemberRecord
from apps.server.domain.permissions import Action, require
from apps.server.ports import Accounts, UnitOfWork, UnitOfWorkFactory
from apps.server.usecases.member_profiles import with_profiles
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import lock_server
from shared.contracts import errors, event
from shared.contracts.server import Member, UpdateMember


async def update_member(request: UpdateMember, units: UnitOfWorkFactory, accounts: Accounts) -> Member:
    """Change a member's role.

    * ADMIN only.
    * The owner stays ADMIN.
    * A request that changes nothing publishes nothing.
    """
    async with units.transaction() as unit:
        member = await _change(request, unit)
    return (await with_profiles(request.profile_id, [member], units, accounts))[0]


async def _change(request: UpdateMember, unit: UnitOfWork) -> MemberRecord:
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.UPDATE_MEMBER)
    member = await unit.members.get(request.server_id, request.member_id)
    if member is None:
        raise errors.MEMBER_NOT_FOUND.exception(f"{request.member_id} is not a member of this server.")
    if member.role != request.role:
        if member.profile_id == server.profile_id:
            raise errors.PERMISSION_DENIED.exception("The owner always has the role ADMIN.")
        member.role = request.role
        await publish_change(unit, server, event.MEMBER_UPDATED, member.fact())
        await unit.members.save(member)
        await unit.servers.save(server)
    return member
