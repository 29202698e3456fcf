"""Names and images for members: from our own copy of the profiles, else from the auth service."""

from collections.abc import Sequence
from uuid import UUID

from apps.server.domain.servers import MemberRecord
from apps.server.ports import Accounts, UnitOfWorkFactory
from shared.contracts.account import PublicProfile
from shared.contracts.server import Member

ASKED_MAX = 100
NAMELESS = "unknown"
"""Who is a member but whom the auth service does not know (any longer)."""


async def name_members(
    reader_id: UUID, members: Sequence[MemberRecord], units: UnitOfWorkFactory, accounts: Accounts
) -> list[Member]:
    """The members as others see them. Raises `mesh.timeout` or `mesh.busy` as auth is.

    * Asks auth for unknown profiles only, outside any transaction, at most 100 at once.
    * The answer is kept; where an event brought something newer meanwhile, that counts.
    """
    ids = [member.profile_id for member in members]
    async with units.snapshot() as unit:
        known = await unit.profiles.known(ids)
    missing = [profile_id for profile_id in ids if profile_id not in known]
    for begin in range(0, len(missing), ASKED_MAX):
        asked = missing[begin : begin + ASKED_MAX]
        answer = await accounts.profiles(reader_id, asked)
        async with units.transaction() as unit:
            await unit.profiles.keep(answer)
            known |= await unit.profiles.known(asked)
    return [_named(member, known.get(member.profile_id)) for member in members]


def _named(member: MemberRecord, profile: PublicProfile | None) -> Member:
    return Member(
        profile_id=member.profile_id,
        name=profile.name if profile else NAMELESS,
        image_url=profile.image_url if profile else None,
        role=member.role,
        joined_at=member.joined_at,
    )
