"""The reckoning finds what was planted, and nothing where all is well."""

import itertools
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bench.durability import ledger
from bench.durability.kills import KINDS, Kill, victims
from bench.durability.ledger import (
    Entry,
    Published,
    Stored,
    Verdict,
    check_channel,
    check_events,
    content_of,
)
from bench.durability.report import KINDS as REPORTED
from bench.durability.report import Run, report


def channel(*senders: str, each: int = 5) -> tuple[list[list[Entry]], list[Stored]]:
    """The senders take turns; everything is acknowledged and stored."""
    entries: dict[str, list[Entry]] = {name: [] for name in senders}
    history = []
    for sequence, (number, name) in enumerate(itertools.product(range(each), senders), 1):
        nonce = f"{name}-{number}"
        entries[name].append(Entry(nonce, f"id-{sequence}", sequence))
        history.append(Stored(f"id-{sequence}", sequence, nonce, content_of(nonce)))
    return list(entries.values()), history


def faults(senders: list[list[Entry]], history: list[Stored]) -> dict[str, int]:
    verdict = Verdict()
    check_channel("c", senders, history, verdict)
    assert verdict.good == (not verdict.faults)
    return dict(verdict.faults)


def renumbered(history: list[Stored]) -> list[Stored]:
    return [
        Stored(stored.message_id, sequence, stored.nonce, stored.content)
        for sequence, stored in enumerate(history, 1)
    ]


def test_all_is_well() -> None:
    assert faults(*channel("a", "b", "c")) == {}


def test_a_lost_message_is_found_and_its_gap() -> None:
    senders, history = channel("a", "b")
    assert faults(senders, history[:3] + history[4:]) == {ledger.LOST: 1, ledger.GAP: 1}
    assert faults(senders, history[:-1]) == {ledger.LOST: 1}


def test_one_that_was_never_acknowledged_may_be_there_or_not() -> None:
    senders, history = channel("a")
    senders[0][-1] = Entry("a-4")
    assert faults(senders, history) == {}
    assert faults(senders, history[:-1]) == {}


def test_a_doubled_message_is_found() -> None:
    senders, history = channel("a")
    assert faults(senders, [*history, Stored("id-6", 6, "a-4", content_of("a-4"))])[ledger.DOUBLED] == 1


def test_another_content_or_place_than_was_acknowledged_is_a_loss() -> None:
    senders, history = channel("a")
    changed = [*history[:-1], Stored("id-5", 5, "a-4", "something else")]
    assert faults(senders, changed) == {ledger.LOST: 1}
    senders[0][-1] = Entry("a-4", "id-5", 6)
    assert faults(senders, history) == {ledger.LOST: 1}


def test_disorder_within_a_sender_is_found() -> None:
    senders, history = channel("a", each=3)
    swapped = renumbered([history[1], history[0], history[2]])
    senders[0] = [Entry(entry.nonce) for entry in senders[0]]
    assert faults(senders, swapped) == {ledger.DISORDER: 1}


def test_what_nobody_sent_is_found() -> None:
    senders, history = channel("a")
    assert faults(senders, [*history, Stored("id-6", 6, "x-1", "hello")]) == {ledger.FOREIGN: 1}


@given(st.integers(0, 29), st.sampled_from([ledger.LOST, ledger.DOUBLED, ledger.GAP]))
def test_one_fault_among_many_is_found(place: int, kind: str) -> None:
    senders, history = channel("a", "b", "c", each=10)
    stored = history[place]
    if kind == ledger.LOST:
        history = renumbered([one for one in history if one != stored])
    elif kind == ledger.DOUBLED:
        history = [*history, Stored("id-31", 31, stored.nonce, stored.content)]
    else:
        history = [*history, Stored("id-32", 32 + place, "a-10", content_of("a-10"))]
        senders[0].append(Entry("a-10"))
    assert kind in faults(senders, history)


def event_faults(history: list[Stored], events: list[Published]) -> tuple[dict[str, int], int]:
    verdict = Verdict()
    check_events("live-events", "c", history, events, verdict)
    return dict(verdict.faults), verdict.redelivered


def published(history: list[Stored]) -> list[Published]:
    return [
        Published(f"e-{stored.sequence}", stored.message_id, stored.sequence, stored.content)
        for stored in history
    ]


def test_events_once_in_effect_and_in_order() -> None:
    _, history = channel("a")
    events = published(history)
    assert event_faults(history, events) == ({}, 0)
    assert event_faults(history, [*events[:3], *events[1:]]) == ({}, 2), "a relay may send again"
    assert event_faults(history, events[:-1]) == ({ledger.EVENT_LOST: 1}, 0)
    assert event_faults(history, []) == ({ledger.EVENT_LOST: 5}, 0)
    assert event_faults(history[:-1], events) == ({ledger.EVENT_FOREIGN: 1}, 0)
    doubled = [*events, replace(events[4], event_id="e-x")]
    assert event_faults(history, doubled) == ({ledger.EVENT_DOUBLED: 1}, 0)
    swapped = [events[1], events[0], *events[2:]]
    assert event_faults(history, swapped) == ({ledger.EVENT_DISORDER: 1}, 0)


def test_events_in_two_partitions_have_no_order() -> None:
    _, history = channel("a")
    events = published(history)
    apart = [*events[:3], *(replace(event, partition=1) for event in events[3:])]
    assert event_faults(history, apart) == ({ledger.EVENT_DISORDER: 2}, 0)
    again = [*events, replace(events[0], partition=1)]
    assert event_faults(history, again) == ({ledger.EVENT_DOUBLED: 1}, 0)


@pytest.mark.parametrize("change", [{"content": "something else"}, {"sequence": 9}])
def test_an_event_that_tells_something_else_is_found(change: dict[str, Any]) -> None:
    _, history = channel("a")
    events = published(history)
    bent = [*events[:4], replace(events[4], **change)]
    assert event_faults(history, bent) == ({ledger.EVENT_WRONG: 1}, 0)
    again = [*events, replace(events[4], **change)]
    assert event_faults(history, again) == ({ledger.EVENT_WRONG: 1}, 0), "when it comes again, too"


def test_two_messages_under_one_event_id_are_one_lost() -> None:
    """A consumer that knows events by their id takes the second for a repetition of the first."""
    _, history = channel("a")
    events = published(history)
    same = [*events[:3], replace(events[3], event_id="e-3"), events[4]]
    assert event_faults(history, same)[0].keys() == {ledger.EVENT_LOST}


def test_every_kind_is_drawn_before_one_comes_again() -> None:
    drawn = list(itertools.islice(victims(random.Random(7)), 40))
    for start in range(0, 40, len(KINDS)):
        part = drawn[start : start + len(KINDS)]
        assert sorted(kind for kind in KINDS for victim in part if victim in kind) == sorted(KINDS)
    assert len(set(drawn)) > len(KINDS)
    assert drawn == list(itertools.islice(victims(random.Random(7)), 40)), "the same seed, the same draw"


KILLS = [Kill(victim="kafka", at_s=1, down_s=1, recovered_s=seconds) for seconds in (3.0, 9.0, 5.0)]


def run_of(**changes: object) -> Run:
    values = {
        "seconds": 600,
        "senders": 64,
        "seed": 7,
        "acknowledged": 250_000,
        "unanswered": 0,
        "stored": 250_000,
        "events": 250_300,
        "statuses": Counter({201: 250_000}),
        "changes": Counter({200: 300}),
        "longest_outage_s": 8.25,
        "slowest_send_s": 12,
        "kills": KILLS,
        "verdict": Verdict(),
        **changes,
    }
    return Run(**values)  # type: ignore[arg-type]


def test_a_run_is_good_only_when_something_could_be_lost() -> None:
    assert run_of().good
    assert "proves nothing" not in report(run_of())
    for nothing in (run_of(kills=[]), run_of(acknowledged=0)):
        assert not nothing.good
        assert "proves nothing" in report(nothing)
    assert not run_of(statuses=Counter({201: 1, 500: 1})).good
    assert not run_of(changes=Counter({200: 1, 500: 1})).good


def test_the_report_tells_every_fault() -> None:
    verdict = Verdict()
    for number, kind in enumerate(REPORTED, 1):
        for _ in range(number):
            verdict.add(kind, "here")
    run = run_of(statuses=Counter({201: 250_000, 500: 3, 0: 9}), verdict=verdict)
    text = report(run)
    assert not run.good
    for number, words in enumerate(REPORTED.values(), 1):
        assert f"| **{words}** | **{number}** |" in text
    assert "| **answers that may not be** | **3× 500** |" in text
    assert "| kafka | 3 | 5.0 s | 9.0 s |" in text
    assert "| sends acknowledged | 250,000 |" in text
