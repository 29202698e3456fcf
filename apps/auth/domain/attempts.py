"""Limits of password guessing: the counters of an attempt, and their keys.

A wrong password is counted for the account and this network. From a network without an earlier session of the
account it is also counted for the account as a whole. So one network cannot use up the attempts of others,
and nobody can lock a user out of a familiar network. An e-mail without an account is counted in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from shared.contracts.gcra import SECOND_US, Rate

Counts = Mapping[bytes, Rate]
"""The rate limits of one attempt by key; all of them must allow it."""

_WINDOW_US = 1200 * SECOND_US
_FROM_NETWORK = Rate(10, _WINDOW_US)
_FROM_UNFAMILIAR = Rate(40, _WINDOW_US)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPolicy:
    """Limits of wrong passwords: a burst, which refills in 20 minutes."""

    on: bool = True
    from_network: Rate = _FROM_NETWORK
    from_unfamiliar: Rate = _FROM_UNFAMILIAR

    def of_sign_in(self, email: str, network: str | None, familiar: bool) -> Counts:
        """Return the limits of a sign-in. `email` is in normal form; it need not have an account."""
        if not self.on:
            return {}
        counts = {_key("network", email, network or ""): self.from_network}
        if not familiar:
            counts[_key("account", email)] = self.from_unfamiliar
        return counts

    def of_change(self, profile_id: UUID) -> Counts:
        """Return the limits of a change of password: a stolen token must not allow guessing."""
        return {_key("change", str(profile_id)): self.from_network} if self.on else {}


def microseconds(moment: datetime) -> int:
    """Return the exact microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(time_us: int) -> datetime:
    """Return the time that is `time_us` microseconds after the epoch."""
    return _EPOCH + timedelta(microseconds=time_us)


def _key(*parts: str) -> bytes:
    """Return a digest: users type passwords into the e-mail field by mistake."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
