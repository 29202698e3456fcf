"""How slices are divided among relays: fair, never the same one twice, settled after a few looks."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from shared.kit.outbox.leases import Plan, Row, plan
from shared.kit.outbox.outbox import SLICES, slice_of

ME = uuid4()


def rows(*owners: tuple[str | None, UUID | None, bool]) -> list[Row]:
    return [Row(number, *owner) for number, owner in enumerate(owners)]


FREE = (None, None, True)
MINE = ("me", ME, False)
THEIRS = ("they", uuid4(), False)
EXPIRED = ("they", uuid4(), True)


def test_the_only_relay_takes_all_that_is_free() -> None:
    assert plan(rows(FREE, FREE, EXPIRED, MINE), ME, "me", 1, first=False) == Plan((0, 1, 2, 3), ())


def test_what_another_holds_stays_with_it() -> None:
    assert plan(rows(THEIRS, FREE, THEIRS, FREE), ME, "me", 1, first=False) == Plan((1, 3), ())


def test_no_more_than_its_share_is_taken() -> None:
    assert plan(rows(FREE, FREE, FREE, FREE), ME, "me", 2, first=False) == Plan((0, 1), ())
    assert plan(rows(MINE, FREE, FREE, FREE, FREE), ME, "me", 2, first=False) == Plan((0, 1, 2), ())


def test_what_is_beyond_the_share_is_held_until_it_is_given_back() -> None:
    assert plan(rows(MINE, MINE, MINE, MINE), ME, "me", 2, first=False) == Plan((0, 1, 2, 3), (2, 3))


def test_leases_of_its_own_name_are_taken_at_the_first_look_only() -> None:
    before = ("me", uuid4(), False)
    assert plan(rows(before, THEIRS), ME, "me", 1, first=True) == Plan((0,), ())
    assert plan(rows(before, THEIRS), ME, "me", 1, first=False) == Plan((), ())


def test_its_own_lease_that_ran_out_is_renewed_when_nobody_took_it() -> None:
    assert plan(rows(("me", ME, True)), ME, "me", 1, first=False) == Plan((0,), ())


@given(st.lists(st.integers(0, 11), min_size=1, max_size=60), st.integers(1, 12))
def test_relays_that_take_turns_share_fairly(turns: list[int], count: int) -> None:
    """Each look gives back its surplus at once, as a relay does between two rounds."""
    tokens = [uuid4() for _ in range(count)]
    held: list[UUID | None] = [None] * SLICES

    def look(relay: int) -> None:
        listed = [Row(number, str(token), token, token is None) for number, token in enumerate(held)]
        planned = plan(listed, tokens[relay], str(relay), count, first=False)
        for number in planned.hold:
            assert held[number] in (None, tokens[relay]), "nobody takes what another holds"
            held[number] = tokens[relay]
        for number in planned.surplus:
            held[number] = None

    for turn in [*(turn % count for turn in turns), *range(count), *range(count)]:
        look(turn)
    assert None not in held
    assert max(held.count(token) for token in tokens) <= -(-SLICES // count)


@given(st.uuids())
def test_a_key_has_one_slice(key: UUID) -> None:
    assert slice_of(key) == slice_of(UUID(str(key)))
    assert 0 <= slice_of(key) < SLICES
