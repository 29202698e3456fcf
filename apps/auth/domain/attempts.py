"""How often a password may be guessed: what is counted, and under which keys.

A wrong password counts for the account from this network, and, from networks at which the person was never
signed in, for the account as a whole. So one network can not use up what others have, and nobody far away
can shut a person out at home. An e-mail without an account is counted just the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from shared.contracts.gcra import SECOND_US, Rate

Counts = Mapping[bytes, Rate]
"""The limits that one attempt counts for, by key. It is let through when all of them have room."""

_WINDOW_US = 1200 * SECOND_US
_FROM_NETWORK = Rate(10, _WINDOW_US)
_FROM_UNFAMILIAR = Rate(40, _WINDOW_US)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPolicy:
    """Wrong passwords at once, and as many again in 20 minutes."""

    on: bool = True
    from_network: Rate = _FROM_NETWORK
    from_unfamiliar: Rate = _FROM_UNFAMILIAR

    def of_sign_in(self, email: str, network: str | None, familiar: bool) -> Counts:
        """What a sign-in counts for. `email` is a normal one, whether it has an account or not."""
        if not self.on:
            return {}
        counts = {_key("network", email, network or ""): self.from_network}
        if not familiar:
            counts[_key("account", email)] = self.from_unfamiliar
        return counts

    def of_change(self, profile_id: UUID) -> Counts:
        """What a change of password counts for: it asks for the current one, by a token maybe stolen."""
        return {_key("change", str(profile_id)): self.from_network} if self.on else {}


def microseconds(moment: datetime) -> int:
    """Since the epoch, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(time_us: int) -> datetime:
    """The other way round."""
    return _EPOCH + timedelta(microseconds=time_us)


def _key(*parts: str) -> bytes:
    """A digest: people mistake the field and type their password where their e-mail belongs."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
