"""The keys that access tokens are signed with and those that secrets are sealed to: when each comes and goes.

A new signing key is published before it signs, so that every gateway knows it by then. The one before stays
published after that until the tokens that it signed have run out. A new sealing key is known to every replica
before anybody seals to it; the one before is kept until nothing sealed to it can be delivered any more, and
what was sealed to it is lost for good when it goes.
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
class KeyPair:
    """A key pair, raw, 32 bytes each. Numbers grow by one; of two with one number one stands."""

    number: int
    kid: str
    private: bytes = field(repr=False)
    public: bytes
    created_at: datetime
    used_from: datetime


class KeyRing:
    """All keys there are, the oldest first."""

    def __init__(self, keys: Iterable[KeyPair]) -> None:
        self.keys = tuple(sorted(keys, key=lambda key: key.number))

    def current(self, now: datetime) -> KeyPair:
        """The newest key whose time has come. Raises LookupError when there is no key at all."""
        if not self.keys:
            raise LookupError("there is no key")
        return next((key for key in reversed(self.keys) if key.used_from <= now), self.keys[0])

    def published(self, policy: KeyPolicy, now: datetime) -> tuple[KeyPair, ...]:
        """The keys that are used now, or soon, or that something may still have been made with."""
        gone = self.retired(policy, now)
        return tuple(key for key in self.keys if key not in gone)

    def retired(self, policy: KeyPolicy, now: datetime) -> tuple[KeyPair, ...]:
        """The keys that nothing can still have been made with."""
        pairs = zip(self.keys, self.keys[1:], strict=False)
        return tuple(key for key, successor in pairs if successor.used_from + policy.overlap <= now)

    def due(self, policy: KeyPolicy, now: datetime) -> tuple[int, datetime] | None:
        """Number and first time of use of the key that has to be made now; None when none has to be.

        The very first one is used at once.
        """
        if not self.keys:
            return 1, now
        newest = self.keys[-1]
        planned = newest.used_from + policy.rotation
        if now < planned - policy.publish:
            return None
        return newest.number + 1, max(planned, now + policy.publish)
