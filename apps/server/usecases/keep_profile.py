"""profile.updated, heard from the auth service."""

from apps.server.ports import UnitOfWork
from shared.contracts.account import PublicProfile


async def keep_profile(profile: PublicProfile, unit: UnitOfWork) -> None:
    """Keep our copy of a public profile.

    * The higher revision wins, so an event may come late, early or twice.
    """
    await unit.profiles.keep([profile])
