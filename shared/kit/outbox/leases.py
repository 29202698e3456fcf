"""Who relays which slice of an outbox: leases in `outbox_slices`, a fair share for each living relay.

Each relay renews its leases every few seconds by the database's clock and believes in them by its own,
counted from before it asked and with a margin: it has stopped sending before another may begin. Should it
be stopped (SIGSTOP) in the very moment of a send, the record comes late and twice, but never first: whoever
takes over has begun with the oldest row that is still there.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

import asyncpg
from msgspec import Struct

from shared.kit.clock import SystemIds, now_s
from shared.kit.outbox.outbox import SLICES

LEASE_S = 10.0
MARGIN_S = 2.0
"""How long before its end a relay no longer trusts a lease: time for what it sent last to arrive."""


class Row(Struct, frozen=True):
    """A row of `outbox_slices`; `expired` by the database's clock."""

    slice: int
    owner: str | None
    token: UUID | None
    expired: bool


class Plan(Struct, frozen=True):
    """Which slices to hold from now on, and which of them to give back when nothing is on its way."""

    hold: tuple[int, ...]
    surplus: tuple[int, ...]


def plan(rows: Iterable[Row], token: UUID, owner: str, alive: int, *, first: bool) -> Plan:
    """Divide the slices among `alive` relays, this one included.

    A relay keeps what it has, takes what is free as long as it has less than its share, gives back what it
    has beyond it. At its `first` look it takes the leases of its own name too: its predecessor is no more.
    """
    listed = sorted(rows, key=lambda row: row.slice)
    share = -(-len(listed) // max(alive, 1))
    mine = [row.slice for row in listed if row.token == token]
    free = [
        row.slice
        for row in listed
        if row.token != token and (row.token is None or row.expired or (first and row.owner == owner))
    ]
    return Plan(tuple(sorted(mine + free[: max(share - len(mine), 0)])), tuple(mine[share:]))


class Leases:
    """The slices of one relay. `owner` is the name of its process, which no other living process has."""

    def __init__(
        self,
        owner: str,
        *,
        lease_s: float = LEASE_S,
        margin_s: float = MARGIN_S,
        steady_s: Callable[[], float] = now_s,
    ) -> None:
        self.surplus: tuple[int, ...] = ()
        self.generation = 0
        """Changes whenever a lease ran out: what began before must not be sent any more."""
        self._owner = owner
        self._token = SystemIds().new()
        self._lease_s = lease_s
        self._margin_s = margin_s
        self._steady_s = steady_s
        self._held: tuple[int, ...] = ()
        self._until = float("-inf")
        self._first = True

    @property
    def renew_after_s(self) -> float:
        """How long to wait between two renewals: two may fail before the lease runs out."""
        return self._lease_s * 0.3

    def remaining_s(self) -> float:
        """How long what is held may still be relied upon; negative: not any more."""
        return self._until - self._steady_s() if self._held else -1.0

    def held(self) -> tuple[int, ...]:
        """The slices to relay now."""
        if self.remaining_s() <= 0:
            return ()
        return tuple(number for number in self._held if number not in self.surplus)

    async def renew(self, connection: asyncpg.Connection) -> None:
        """Renew, take and give up leases. Relays do it one after another, under the lock of the rows."""
        asked_s = self._steady_s()
        async with connection.transaction():
            rows = await connection.fetch(_ROWS)
            if len(rows) < SLICES:
                await connection.execute(_MAKE, SLICES)
                rows = await connection.fetch(_ROWS)
            alive = await connection.fetchval(_ALIVE, self._token, self._owner, self._lease_s, self._first)
            planned = plan([Row(**row) for row in rows], self._token, self._owner, alive, first=self._first)
            await connection.execute(_HOLD, list(planned.hold), self._token, self._owner, self._lease_s)
        self._adopt(planned, asked_s)

    async def give_back(self, connection: asyncpg.Connection) -> None:
        """Free the surplus, when nothing of it is on its way."""
        surplus, self.surplus = self.surplus, ()
        self._held = tuple(number for number in self._held if number not in surplus)
        await connection.execute(_FREE, list(surplus), self._token)

    async def leave(self, connection: asyncpg.Connection) -> None:
        """Free everything at once: others need not wait until it runs out."""
        self._held, self.surplus, self._until = (), (), float("-inf")
        self.generation += 1
        await connection.execute(_FREE, list(range(SLICES)), self._token)
        await connection.execute(_GONE, self._token)

    def _adopt(self, planned: Plan, asked_s: float) -> None:
        late = self._held and self._steady_s() >= self._until
        if late or not set(self._held) <= set(planned.hold):
            self.generation += 1
        self._held, self.surplus = planned.hold, planned.surplus
        self._until = asked_s + self._lease_s - self._margin_s
        self._first = False


# Says that this relay lives, forgets those that do not (at the first time also one of the same name), counts.
_ALIVE = """
WITH gone AS (
    DELETE FROM outbox_relays
    WHERE token <> $1 AND (expires_at <= clock_timestamp() OR ($4 AND owner = $2)) RETURNING token
), here AS (
    INSERT INTO outbox_relays (token, owner, expires_at)
    VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (token) DO UPDATE SET expires_at = excluded.expires_at RETURNING token
)
SELECT count(*) FROM (
    SELECT token FROM outbox_relays UNION SELECT token FROM here EXCEPT SELECT token FROM gone
) AS alive
"""
_ROWS = """
SELECT slice, owner, token, expires_at IS NULL OR expires_at <= clock_timestamp() AS expired
FROM outbox_slices ORDER BY slice FOR UPDATE
"""
_MAKE = "INSERT INTO outbox_slices (slice) SELECT generate_series(0, $1::int - 1) ON CONFLICT DO NOTHING"
_HOLD = """
UPDATE outbox_slices
SET token = $2, owner = $3, expires_at = clock_timestamp() + make_interval(secs => $4)
WHERE slice = ANY($1::smallint[])
"""
_FREE = """
UPDATE outbox_slices SET token = NULL, owner = NULL, expires_at = NULL
WHERE slice = ANY($1::smallint[]) AND token = $2
"""
_GONE = "DELETE FROM outbox_relays WHERE token = $1"
