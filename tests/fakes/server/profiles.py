"""Profiles in memory: the server service's copy, and the auth service that has them all."""

from collections.abc import Collection, Iterable, Sequence
from copy import deepcopy
from uuid import UUID

from shared.contracts.account import PublicProfile
from tests.fakes.server.state import State


class MemoryProfiles:
    """`apps.server.ports.Profiles` over a state."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def find(self, profile_ids: Collection[UUID]) -> dict[UUID, PublicProfile]:
        stored = self._state.profiles
        return {row_id: deepcopy(stored[row_id]) for row_id in profile_ids if row_id in stored}

    async def store(self, profiles: Collection[PublicProfile]) -> None:
        for profile in profiles:
            stored = self._state.profiles.get(profile.id)
            if stored is None or profile.revision > stored.revision:
                self._state.profiles[profile.id] = deepcopy(profile)


class MemoryAccounts:
    """`apps.server.ports.Accounts` over a fixed set of profiles; it records its requests."""

    def __init__(self, profiles: Iterable[PublicProfile] = ()) -> None:
        self.profiles_by_id = {profile.id: profile for profile in profiles}
        self.requests: list[list[UUID]] = []

    async def profiles(self, reader_id: UUID, profile_ids: Sequence[UUID]) -> Sequence[PublicProfile]:
        self.requests.append(list(profile_ids))
        candidates = [self.profiles_by_id.get(profile_id) for profile_id in profile_ids]
        return [profile for profile in candidates if profile is not None]
