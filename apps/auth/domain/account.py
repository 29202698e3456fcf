"""Accounts: the entity, and the normal form of its fields."""

import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from shared.contracts.account import Profile, PublicProfile
from shared.contracts.errors import FieldError
from shared.contracts.fields import Email
from shared.contracts.validation import validation_failed

PROFILES_MAX = 100
"""Profiles in one call."""
REPLAY_LIFE = timedelta(hours=24)
"""Period in which the same Idempotency-Key stands for the same change of password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A stored account. `revision` grows by one with each event about it."""

    id: UUID
    name: str
    email: str
    image_url: str | None
    password_hash: str = field(repr=False)
    password_changed_at: datetime
    password_changed_by: str | None
    revision: int
    created_at: datetime
    updated_at: datetime

    def profile(self) -> Profile:
        """Return the profile as its owner sees it."""
        return Profile(
            id=self.id,
            name=self.name,
            email=self.email,
            image_url=self.image_url,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )

    def public(self) -> PublicProfile:
        """Return the profile as others see it."""
        return PublicProfile(id=self.id, name=self.name, image_url=self.image_url, revision=self.revision)

    def bumped(self) -> "Account":
        """Return a copy with the next revision, for the next event."""
        return replace(self, revision=self.revision + 1)

    def was_changed_by(self, key: str | None, now: datetime) -> bool:
        """Return True if the request with this key made the last change of password, within `REPLAY_LIFE`."""
        return (
            key is not None
            and self.password_changed_by == key
            and now - self.password_changed_at < REPLAY_LIFE
        )


def normal_email(email: str) -> str:
    """Return the normal form of an address, which has at most one account: NFC, stripped, lower case.

    Raises `validation.failed` if the normal form is not an address, for example because it is too long.
    """
    local, _, host = email.strip().rpartition("@")
    normal = unicodedata.normalize("NFC", f"{local.lower()}@{host.casefold()}")
    try:
        return msgspec.convert(normal, Email)
    except msgspec.ValidationError:
        problem = FieldError("email", "must be an e-mail address of at most 254 characters")
        raise validation_failed((problem,)) from None


def clean_name(name: str) -> str:
    """Return the name without surrounding white space; the contract rejects blank names."""
    return name.strip()


def clean_image_url(url: str | None) -> str | None:
    """Return the image's URL without surrounding white space."""
    return None if url is None else url.strip()
