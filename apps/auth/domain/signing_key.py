"""The keys that access tokens are signed with, and when each is published, signs and goes.

A new key is published before it signs, so that every gateway knows it by then. The one before stays
published after that until the tokens that it signed have run out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """What stands in every access token."""

    issuer: str = "concord"
    audience: str = "concord"
    ttl_s: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """How keys rotate. `overlap` is longer than an access token lives, `publish` than gateways look anew."""

    rotation: timedelta = timedelta(days=30)
    publish: timedelta = timedelta(hours=1)
    overlap: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An Ed25519 key pair, raw, 32 bytes each. Numbers grow by one; of two with one number one stands."""

    number: int
    kid: str
    private: bytes = field(repr=False)
    public: bytes
    created_at: datetime
    signs_from: datetime


class KeyRing:
    """All keys there are, the oldest first."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self.keys = tuple(sorted(keys, key=lambda key: key.number))

    def signing(self, now: datetime) -> SigningKey:
        """The newest key whose time has come. Raises LookupError when there is no key at all."""
        if not self.keys:
            raise LookupError("there is no signing key")
        return next((key for key in reversed(self.keys) if key.signs_from <= now), self.keys[0])

    def published(self, policy: KeyPolicy, now: datetime) -> tuple[SigningKey, ...]:
        """The keys that a token may be signed with now, or soon."""
        gone = self.retired(policy, now)
        return tuple(key for key in self.keys if key not in gone)

    def retired(self, policy: KeyPolicy, now: datetime) -> tuple[SigningKey, ...]:
        """The keys that no token can be signed with any more."""
        pairs = zip(self.keys, self.keys[1:], strict=False)
        return tuple(key for key, successor in pairs if successor.signs_from + policy.overlap <= now)

    def due(self, policy: KeyPolicy, now: datetime) -> tuple[int, datetime] | None:
        """Number and first time to sign of the key that has to be made now; None when none has to be.

        The very first one signs at once.
        """
        if not self.keys:
            return 1, now
        newest = self.keys[-1]
        planned = newest.signs_from + policy.rotation
        if now < planned - policy.publish:
            return None
        return newest.number + 1, max(planned, now + policy.publish)
