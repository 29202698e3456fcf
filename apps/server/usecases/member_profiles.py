"""Names and images of members: from the service's own copy of the profiles, or from the auth service."""

from collections.abc import Sequence
from uuid import UUID

from apps.server.domain.members import MemberRecord
from apps.server.ports import Accounts, UnitOfWorkFactory
from shared.contracts.account import PublicProfile
from shared.contracts.server import Member

PROFILES_PER_CALL_MAX = 100
UNKNOWN_NAME = "unknown"
"""Name of a member whom the auth service does not know (any more)."""


async def with_profiles(
    reader_id: UUID, members: Sequence[MemberRecord], units: UnitOfWorkFactory, accounts: Accounts
) -> list[Member]:
    """Return the members with names and images. Raises `mesh.timeout` or `mesh.busy` as auth does.

    * Only missing profiles are requested from auth: outside any transaction, at most 100 per call.
    * The response is stored unless an event brought a newer revision meanwhile; the stored one is returned.
    """
    ids = [member.profile_id for member in members]
    async with units.snapshot() as unit:
        profiles = await unit.profiles.find(ids)
    missing = [profile_id for profile_id in ids if profile_id not in profiles]
    for start in range(0, len(missing), PROFILES_PER_CALL_MAX):
        batch = missing[start : start + PROFILES_PER_CALL_MAX]
        fetched = await accounts.profiles(reader_id, batch)
        async with units.transaction() as unit:
            await unit.profiles.store(fetched)
            profiles |= await unit.profiles.find(batch)
    return [_member(member, profiles.get(member.profile_id)) for member in members]


def _member(member: MemberRecord, profile: PublicProfile | None) -> Member:
    return Member(
        profile_id=member.profile_id,
        name=profile.name if profile else UNKNOWN_NAME,
        image_url=profile.image_url if profile else None,
        role=member.role,
        joined_at=member.joined_at,
    )
