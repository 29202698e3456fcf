"""Rotation of the keys that sign access tokens and of those that secrets are sealed to.

A new signing key is published before its first use, so that every gateway has it by then. Its predecessor
stays published until the tokens that it signed have expired. A new sealing key is known to every replica
before anything is sealed to it. Its predecessor is kept until nothing sealed to it can be delivered any more;
with the deletion of the key, everything sealed to it is lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """The claims that all access tokens share, and their life in seconds."""

    issuer: str = "concord"
    audience: str = "concord"
    ttl_s: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """Rotation. `overlap` exceeds the life of an access token, `publish` the gateways' refresh interval."""

    rotation: timedelta = timedelta(days=30)
    publish: timedelta = timedelta(hours=1)
    overlap: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A key pair: raw keys of 32 bytes each. Numbers are consecutive; only one key per number is stored."""

    number: int
    kid: str
    private: bytes = field(repr=False)
    public: bytes
    created_at: datetime
    used_from: datetime


class KeyRing:
    """All stored keys, the oldest first."""

    def __init__(self, keys: Iterable[KeyPair]) -> None:
        self.keys = tuple(sorted(keys, key=lambda key: key.number))

    def current(self, now: datetime) -> KeyPair:
        """Return the newest key whose time of use has begun. Raises LookupError if there are no keys."""
        if not self.keys:
            raise LookupError("no key is stored")
        return next((key for key in reversed(self.keys) if key.used_from <= now), self.keys[0])

    def published(self, policy: KeyPolicy, now: datetime) -> tuple[KeyPair, ...]:
        """Return the keys in use now or soon, and those that something may still have been made with."""
        retired = self.retired(policy, now)
        return tuple(key for key in self.keys if key not in retired)

    def retired(self, policy: KeyPolicy, now: datetime) -> tuple[KeyPair, ...]:
        """Return the keys that are no longer needed: everything made with them has expired."""
        pairs = zip(self.keys, self.keys[1:], strict=False)
        return tuple(key for key, successor in pairs if successor.used_from + policy.overlap <= now)

    def due(self, policy: KeyPolicy, now: datetime) -> tuple[int, datetime] | None:
        """Return number and first time of use of the key to be created now; None if no key is due.

        The first key is used at once.
        """
        if not self.keys:
            return 1, now
        newest = self.keys[-1]
        planned = newest.used_from + policy.rotation
        if now < planned - policy.publish:
            return None
        return newest.number + 1, max(planned, now + policy.publish)
