"""Division of shards among relays: fair, never the same one twice, settled after a few renewals."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from shared.kit.outbox.leases import Plan, ShardLease, plan
from shared.kit.outbox.outbox import SHARDS, shard_of

ME = uuid4()


def rows(*owners: tuple[str | None, UUID | None, bool]) -> list[ShardLease]:
    return [ShardLease(number, *owner) for number, owner in enumerate(owners)]


FREE = (None, None, True)
MINE = ("me", ME, False)
THEIRS = ("they", uuid4(), False)
EXPIRED = ("they", uuid4(), True)


def test_the_only_relay_takes_all_that_is_free() -> None:
    assert plan(rows(FREE, FREE, EXPIRED, MINE), ME, "me", 1, first=False) == Plan((0, 1, 2, 3), ())


def test_a_shard_that_another_holds_stays_with_it() -> None:
    assert plan(rows(THEIRS, FREE, THEIRS, FREE), ME, "me", 1, first=False) == Plan((1, 3), ())


def test_no_more_than_its_share_is_taken() -> None:
    assert plan(rows(FREE, FREE, FREE, FREE), ME, "me", 2, first=False) == Plan((0, 1), ())
    assert plan(rows(MINE, FREE, FREE, FREE, FREE), ME, "me", 2, first=False) == Plan((0, 1, 2), ())


def test_shards_beyond_the_share_are_held_until_released() -> None:
    assert plan(rows(MINE, MINE, MINE, MINE), ME, "me", 2, first=False) == Plan((0, 1, 2, 3), (2, 3))


def test_leases_of_its_own_name_are_taken_at_the_first_renewal_only() -> None:
    before = ("me", uuid4(), False)
    assert plan(rows(before, THEIRS), ME, "me", 1, first=True) == Plan((0,), ())
    assert plan(rows(before, THEIRS), ME, "me", 1, first=False) == Plan((), ())


def test_its_own_lease_that_ran_out_is_renewed_when_nobody_took_it() -> None:
    assert plan(rows(("me", ME, True)), ME, "me", 1, first=False) == Plan((0,), ())


@given(st.lists(st.integers(0, 11), min_size=1, max_size=60), st.integers(1, 12))
def test_relays_that_take_turns_share_fairly(turns: list[int], count: int) -> None:
    """Each renewal releases its excess at once, as a relay does between two rounds."""
    tokens = [uuid4() for _ in range(count)]
    held: list[UUID | None] = [None] * SHARDS

    def renew(relay: int) -> None:
        leases = [ShardLease(number, str(token), token, token is None) for number, token in enumerate(held)]
        planned = plan(leases, tokens[relay], str(relay), count, first=False)
        for number in planned.hold:
            assert held[number] in (None, tokens[relay]), "nobody takes what another holds"
            held[number] = tokens[relay]
        for number in planned.excess:
            held[number] = None

    for turn in [*(turn % count for turn in turns), *range(count), *range(count)]:
        renew(turn)
    assert None not in held
    assert max(held.count(token) for token in tokens) <= -(-SHARDS // count)


@given(st.uuids())
def test_a_key_has_one_shard(key: UUID) -> None:
    assert shard_of(key) == shard_of(UUID(str(key)))
    assert 0 <= shard_of(key) < SHARDS
