"""The comparison of the events of the outboxes with those of the topics."""

import pytest

from bench.durability.ledger import Verdict
from bench.durability.outboxes import MISSING, OUT_OF_ORDER, STRANGER, Found, Written, check_outboxes

WRITTEN = [
    *(Written(f"m{number}", "message", "one") for number in range(4)),
    Written("m4", "message", "two"),
    *(Written(f"s{number}", "server", "one") for number in range(2)),
]
WELL = ["m0", "s0", "m1", "m4", "m2", "s1", "m3"]


def faults(ids: list[str], partitions: dict[int, int] | None = None) -> dict[str, int]:
    verdict = Verdict()
    found = [Found(name, (partitions or {}).get(place, 0)) for place, name in enumerate(ids)]
    check_outboxes("live-events", WRITTEN, found, verdict)
    return dict(verdict.faults)


def test_services_and_aggregates_may_mix() -> None:
    assert faults(WELL) == {}
    assert faults(["m4", "s0", "s1", "m0", "m1", "m2", "m3"]) == {}


def test_what_a_relay_sends_again_has_no_effect() -> None:
    assert faults([*WELL, "m0", "m1", "s0"]) == {}
    assert faults(["m0", "m1", "m0", "m1", "m2", "m3", "m4", "s0", "s1"]) == {}


@pytest.mark.parametrize("gone", WELL)
def test_one_that_is_missing_is_found(gone: str) -> None:
    assert faults([name for name in WELL if name != gone]) == {MISSING: 1}


def test_nothing_at_all_is_all_missing() -> None:
    assert faults([]) == {MISSING: len(WRITTEN)}


def test_one_that_no_outbox_had_is_found() -> None:
    assert faults([*WELL, "x"]) == {STRANGER: 1}
    assert faults([*WELL, ""]) == {STRANGER: 1}


def test_an_overtaken_event_of_one_aggregate_is_found() -> None:
    assert faults(["m1", "m0", "m2", "m3", "m4", "s0", "s1"]) == {OUT_OF_ORDER: 1}
    assert faults(["m0", "m1", "m2", "m3", "m4", "s1", "s0"]) == {OUT_OF_ORDER: 1}


def test_an_aggregate_that_changes_its_partition_is_found() -> None:
    ids = ["m0", "m1", "m2", "m3", "m4", "s0", "s1"]
    assert faults(ids, {3: 1}) == {OUT_OF_ORDER: 1}
    assert faults(ids, {4: 1}) == {}, "another aggregate may stand elsewhere"
