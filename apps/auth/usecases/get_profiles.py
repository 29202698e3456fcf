"""profiles.get, for other services"""

from apps.auth.domain.account import PROFILES_MAX
from apps.auth.ports import UnitOfWork
from shared.contracts.account import GetProfiles, PublicProfiles
from shared.contracts.errors import FieldError
from shared.contracts.validation import validation_failed


async def get_profiles(request: GetProfiles, unit: UnitOfWork) -> PublicProfiles:
    """Return those of at most 100 profiles that exist, each once, ordered by id."""
    if len(request.ids) > PROFILES_MAX:
        raise validation_failed((FieldError("ids", f"must be at most {PROFILES_MAX}"),))
    return PublicProfiles(items=await unit.accounts.public(set(request.ids)))
