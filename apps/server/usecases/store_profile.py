"""profile.updated, an event of the auth service."""

from apps.server.ports import UnitOfWork
from shared.contracts.account import PublicProfile


async def store_profile(profile: PublicProfile, unit: UnitOfWork) -> None:
    """Update the service's own copy of a public profile.

    * The higher revision wins, so an event may arrive late, early or twice.
    """
    await unit.profiles.store([profile])
