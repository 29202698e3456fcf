"""user.update"""

from dataclasses import replace

from msgspec import UNSET

from apps.auth.domain.account import Account, clean_image_url, clean_name
from apps.auth.ports import UnitOfWork
from shared.contracts.account import Profile, UpdateProfile
from shared.contracts.clock import Clock
from shared.contracts.errors import PROFILE_NOT_FOUND
from shared.contracts.event import PROFILE_UPDATED


async def update_profile(request: UpdateProfile, unit: UnitOfWork, clock: Clock) -> Profile:
    """Change the fields that are present; `imageUrl: null` removes the image.

    Publishes `profile.updated` unless nothing changes. Raises `profile.not_found`.
    """
    account = await unit.accounts.lock(request.profile_id)
    if account is None:
        raise PROFILE_NOT_FOUND.exception("The account does not exist.")
    changed = _changed(account, request)
    if changed != account:
        changed = replace(changed.bumped(), updated_at=clock.now())
        await unit.accounts.save(changed)
        await unit.events.publish(PROFILE_UPDATED, changed.id, changed.revision, changed.public())
    return changed.profile()


def _changed(account: Account, request: UpdateProfile) -> Account:
    name = account.name if request.name is UNSET else clean_name(request.name)
    image_url = account.image_url if request.image_url is UNSET else clean_image_url(request.image_url)
    return replace(account, name=name, image_url=image_url)
