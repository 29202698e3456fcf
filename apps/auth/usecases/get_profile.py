"""user.get"""

from apps.auth.ports import ProfileReader
from shared.contracts.account import GetProfile, Profile
from shared.contracts.errors import PROFILE_NOT_FOUND


async def get_profile(request: GetProfile, reader: ProfileReader) -> Profile:
    """Return the caller's own profile. Raises `profile.not_found`."""
    profile = await reader.profile(request.profile_id)
    if profile is None:
        raise PROFILE_NOT_FOUND.exception("The account does not exist.")
    return profile
