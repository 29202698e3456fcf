"""Leases on the shards of an outbox: each shard has one relay at a time, each living relay a fair share.

Each relay renews its leases every few seconds by the database's clock. It trusts them by its own clock,
counted from before the request and minus a margin, so it has stopped sending before another may begin. If
it is suspended (SIGSTOP) at the very moment of a send, the record arrives late and twice, but never first:
its successor has begun with the oldest row left.

The tables name a shard `slice`.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

import asyncpg
from msgspec import Struct

from shared.kit.clock import SystemIds, now_s
from shared.kit.outbox.tables import SHARDS

LEASE_S = 10.0
MARGIN_S = 2.0
"""The time before its end at which a relay stops trusting a lease: its last records must arrive within it."""


class ShardLease(Struct, frozen=True):
    """A row of `outbox_slices`; `expired` by the database's clock."""

    shard: int
    owner: str | None
    token: UUID | None
    expired: bool


class Plan(Struct, frozen=True):
    """The shards to hold from now on, and those to release when none of their records is in flight."""

    hold: tuple[int, ...]
    excess: tuple[int, ...]


def plan(rows: Iterable[ShardLease], token: UUID, owner: str, alive: int, *, first: bool) -> Plan:
    """Divide the shards among `alive` relays, this one included.

    A relay keeps its shards, takes free ones while it has less than its share, and releases those beyond it.
    At its `first` renewal it also takes the leases of its own name: its predecessor has ended.
    """
    leases = sorted(rows, key=lambda row: row.shard)
    share = -(-len(leases) // max(alive, 1))
    mine = [row.shard for row in leases if row.token == token]
    free = [
        row.shard
        for row in leases
        if row.token != token and (row.token is None or row.expired or (first and row.owner == owner))
    ]
    return Plan(tuple(sorted(mine + free[: max(share - len(mine), 0)])), tuple(mine[share:]))


class Leases:
    """The leases of one relay. `owner` is the name of its process, which no other living process has."""

    def __init__(
        self,
        owner: str,
        *,
        lease_s: float = LEASE_S,
        margin_s: float = MARGIN_S,
        steady_s: Callable[[], float] = now_s,
    ) -> None:
        self.excess: tuple[int, ...] = ()
        self.generation = 0
        """Changes whenever a lease ran out: records read before that must not be sent any more."""
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
        """The pause between two renewals in seconds: two may fail before the lease runs out."""
        return self._lease_s * 0.3

    def remaining_s(self) -> float:
        """Return for how many seconds the leases may still be trusted; negative if they may not."""
        return self._until - self._steady_s() if self._held else -1.0

    def held(self) -> tuple[int, ...]:
        """Return the shards to relay now."""
        if self.remaining_s() <= 0:
            return ()
        return tuple(shard for shard in self._held if shard not in self.excess)

    async def renew(self, connection: asyncpg.Connection) -> None:
        """Renew, take and give up leases. Relays do it one after another, under the lock of the rows."""
        requested_s = self._steady_s()
        async with connection.transaction():
            rows = await connection.fetch(_LOCK)
            if len(rows) < SHARDS:
                await connection.execute(_CREATE, SHARDS)
                rows = await connection.fetch(_LOCK)
            alive = await connection.fetchval(_REGISTER, self._token, self._owner, self._lease_s, self._first)
            leases = [ShardLease(*row) for row in rows]
            planned = plan(leases, self._token, self._owner, alive, first=self._first)
            await connection.execute(_HOLD, list(planned.hold), self._token, self._owner, self._lease_s)
        self._adopt(planned, requested_s)

    async def release(self, connection: asyncpg.Connection) -> None:
        """Release the excess; call it while none of its records is in flight."""
        excess, self.excess = self.excess, ()
        self._held = tuple(shard for shard in self._held if shard not in excess)
        await connection.execute(_RELEASE, list(excess), self._token)

    async def release_all(self, connection: asyncpg.Connection) -> None:
        """Release all shards at once, so that others need not wait until the leases expire."""
        self._held, self.excess, self._until = (), (), float("-inf")
        self.generation += 1
        await connection.execute(_RELEASE, list(range(SHARDS)), self._token)
        await connection.execute(_UNREGISTER, self._token)

    def _adopt(self, planned: Plan, requested_s: float) -> None:
        late = self._held and self._steady_s() >= self._until
        if late or not set(self._held) <= set(planned.hold):
            self.generation += 1
        self._held, self.excess = planned.hold, planned.excess
        self._until = requested_s + self._lease_s - self._margin_s
        self._first = False


# Registers this relay, deletes expired ones (at its first renewal also one of its own name), counts the rest.
_REGISTER = """
WITH expired AS (
    DELETE FROM outbox_relays
    WHERE token <> $1 AND (expires_at <= clock_timestamp() OR ($4 AND owner = $2)) RETURNING token
), own AS (
    INSERT INTO outbox_relays (token, owner, expires_at)
    VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (token) DO UPDATE SET expires_at = excluded.expires_at RETURNING token
)
SELECT count(*) FROM (
    SELECT token FROM outbox_relays UNION SELECT token FROM own EXCEPT SELECT token FROM expired
) AS alive
"""
_LOCK = """
SELECT slice, owner, token, expires_at IS NULL OR expires_at <= clock_timestamp() AS expired
FROM outbox_slices ORDER BY slice FOR UPDATE
"""
_CREATE = "INSERT INTO outbox_slices (slice) SELECT generate_series(0, $1::int - 1) ON CONFLICT DO NOTHING"
_HOLD = """
UPDATE outbox_slices
SET token = $2, owner = $3, expires_at = clock_timestamp() + make_interval(secs => $4)
WHERE slice = ANY($1::smallint[])
"""
_RELEASE = """
UPDATE outbox_slices SET token = NULL, owner = NULL, expires_at = NULL
WHERE slice = ANY($1::smallint[]) AND token = $2
"""
_UNREGISTER = "DELETE FROM outbox_relays WHERE token = $1"
