"""Profiles in memory: our copy, and the auth service that has them all."""

from collections.abc import Collection, Iterable, Sequence
from copy import deepcopy
from uuid import UUID

from shared.contracts.account import PublicProfile
from tests.fakes.server.state import State


class MemoryProfiles:
    def __init__(self, state: State) -> None:
        self._state = state

    async def known(self, profile_ids: Collection[UUID]) -> dict[UUID, PublicProfile]:
        known = self._state.profiles
        return {profile_id: deepcopy(known[profile_id]) for profile_id in profile_ids if profile_id in known}

    async def keep(self, profiles: Collection[PublicProfile]) -> None:
        for profile in profiles:
            stored = self._state.profiles.get(profile.id)
            if stored is None or profile.revision > stored.revision:
                self._state.profiles[profile.id] = deepcopy(profile)


class MemoryAccounts:
    """`apps.server.ports.Accounts` with the profiles that it is given."""

    def __init__(self, profiles: Iterable[PublicProfile] = ()) -> None:
        self.profiles_by_id = {profile.id: profile for profile in profiles}
        self.asked: list[list[UUID]] = []

    async def profiles(self, reader_id: UUID, profile_ids: Sequence[UUID]) -> Sequence[PublicProfile]:
        self.asked.append(list(profile_ids))
        found = [self.profiles_by_id.get(profile_id) for profile_id in profile_ids]
        return [profile for profile in found if profile is not None]
