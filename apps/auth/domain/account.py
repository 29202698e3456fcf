"""An account: a person, their e-mail and their password's hash."""

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
"""Profiles that one call may ask for."""
REPLAY_LIFE = timedelta(hours=24)
"""So long the same Idempotency-Key stands for the same change of password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person as auth knows them. `revision` grows with each event about them."""

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
        """The person as that person sees it."""
        return Profile(
            id=self.id,
            name=self.name,
            email=self.email,
            image_url=self.image_url,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )

    def public(self) -> PublicProfile:
        """The person as others see it."""
        return PublicProfile(id=self.id, name=self.name, image_url=self.image_url, revision=self.revision)

    def bumped(self) -> "Account":
        """With the next revision, for the next event."""
        return replace(self, revision=self.revision + 1)

    def was_changed_by(self, key: str | None, now: datetime) -> bool:
        """Whether the password's last change was this very request, not too long ago."""
        return (
            key is not None
            and self.password_changed_by == key
            and now - self.password_changed_at < REPLAY_LIFE
        )


def normal_email(email: str) -> str:
    """One spelling of an address, so that it has one account: NFC, stripped, without capitals.

    Raises `validation.failed` when what is left is no address any more (too long, for one).
    """
    local, _, host = email.strip().rpartition("@")
    normal = unicodedata.normalize("NFC", f"{local.lower()}@{host.casefold()}")
    try:
        return msgspec.convert(normal, Email)
    except msgspec.ValidationError:
        fault = FieldError("email", "must be an e-mail address of at most 254 characters")
        raise validation_failed((fault,)) from None


def clean_name(name: str) -> str:
    """A name without the spaces around it; a blank one is refused by the contract already."""
    return name.strip()


def clean_image_url(url: str | None) -> str | None:
    """An image's address without the spaces around it."""
    return None if url is None else url.strip()
