"""member.update"""

from apps.server.domain.servers import Action, MemberRecord, require
from apps.server.ports import Accounts, UnitOfWork, UnitOfWorkFactory
from apps.server.usecases.name_members import name_members
from apps.server.usecases.steps import lock_server, record
from shared.contracts import errors, event
from shared.contracts.server import Member, UpdateMember


async def update_member(request: UpdateMember, units: UnitOfWorkFactory, accounts: Accounts) -> Member:
    """Change a member's role.

    * ADMIN only.
    * The owner stays ADMIN.
    * What changes nothing publishes nothing.
    """
    async with units.transaction() as unit:
        member = await _change(request, unit)
    return (await name_members(request.profile_id, [member], units, accounts))[0]


async def _change(request: UpdateMember, unit: UnitOfWork) -> MemberRecord:
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.UPDATE_MEMBER)
    member = await unit.members.get(request.server_id, request.member_id)
    if member is None:
        raise errors.MEMBER_NOT_FOUND.exception(f"{request.member_id} is no member of this server.")
    if member.role != request.role:
        if member.profile_id == server.profile_id:
            raise errors.PERMISSION_DENIED.exception("The owner stays ADMIN; nobody can change that.")
        member.role = request.role
        await record(unit, server, event.MEMBER_UPDATED, member.fact())
        await unit.members.save(member)
        await unit.servers.save(server)
    return member
