"""The report of a run, in Markdown."""

import os
import platform
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct

from bench.durability import ledger, outboxes
from bench.durability.kills import Kill
from bench.durability.ledger import Verdict
from bench.durability.sender import EXPECTED
from bench.durability.steward import EXPECTED as EXPECTED_OF_CHANGES

KINDS = {
    ledger.LOST: "acknowledged and not stored as it was answered",
    ledger.DOUBLED: "stored twice (the same nonce)",
    ledger.DISORDER: "out of the order of its sender",
    ledger.GAP: "channels with a gap in their sequence",
    ledger.FOREIGN: "stored, but never sent",
    ledger.EVENT_LOST: "events missing in a topic",
    ledger.EVENT_FOREIGN: "events about messages that are not stored",
    ledger.EVENT_DOUBLED: "events twice in effect",
    ledger.EVENT_WRONG: "events that tell something else than is stored",
    ledger.EVENT_DISORDER: "events out of order",
    outboxes.MISSING: "events of an outbox that are missing in a topic",
    outboxes.STRANGER: "events in a topic that no outbox had",
    outboxes.OUT_OF_ORDER: "events of an outbox out of the order of their aggregate",
}


class Run(Struct, kw_only=True):
    """The result of a run."""

    seconds: float
    senders: int
    seed: int
    acknowledged: int
    unanswered: int
    """Messages without an answer at the end, by then stored or not."""
    stored: int
    events: int
    """The number of events written to the outboxes of all services."""
    statuses: Counter[int]
    changes: Counter[int]
    """Of the steward's requests."""
    longest_outage_s: float
    slowest_send_s: float
    kills: list[Kill]
    verdict: Verdict

    @property
    def good(self) -> bool:
        """Return True if the run proves something and found no fault and no unexpected status."""
        return self.proves and self.verdict.good and not self.unexpected()

    @property
    def proves(self) -> bool:
        """Return True if sends were acknowledged and processes killed: otherwise nothing could be lost."""
        return bool(self.acknowledged and self.kills)

    def unexpected(self) -> list[int]:
        """Statuses that no send may be answered with, whatever breaks."""
        return sorted(set(self.statuses) - EXPECTED | set(self.changes) - EXPECTED_OF_CHANGES)


def report(run: Run) -> str:
    """Return the whole report."""
    return "\n".join([*_head(run), *_faults(run), "", *_kills(run.kills), ""])


def _head(run: Run) -> Iterator[str]:
    rate = run.acknowledged / run.seconds
    cores = os.cpu_count() or 0
    machine = f"{cores} cores ({platform.machine()})"
    yield f"{run.senders} senders for {run.seconds:.0f} s on {machine}, seed {run.seed}"
    yield ""
    yield "| | |"
    yield "|---|---:|"
    yield f"| sends acknowledged | {run.acknowledged:,} |"
    yield f"| a second, outages included | {rate:,.0f} |"
    yield f"| messages stored | {run.stored:,} |"
    yield f"| kills | {len(run.kills)} |"
    yield f"| longest time without any acknowledgement | {run.longest_outage_s:.1f} s |"
    yield f"| slowest send, all its tries together | {run.slowest_send_s:.1f} s |"
    yield f"| sends without an answer at the end | {run.unanswered} |"
    yield f"| events sent again by a relay, known by their id | {run.verdict.redelivered:,} |"
    yield f"| events written to the outboxes | {run.events:,} |"
    yield f"| answers by status | {_counts(run.statuses)} |"
    yield f"| answers to changes of servers and people | {_counts(run.changes)} |"


def _counts(statuses: Counter[int]) -> str:
    return ", ".join(f"{count:,}× {status or 'none'}" for status, count in sorted(statuses.items()))


def _faults(run: Run) -> Iterator[str]:
    if not run.proves:
        yield "| **nothing was killed, or nothing acknowledged: this proves nothing** | |"
    for kind, words in KINDS.items():
        yield f"| **{words}** | **{run.verdict.faults[kind]:,}** |"
    for status in run.unexpected():
        count = run.statuses[status] + run.changes[status]
        yield f"| **answers that may not be** | **{count:,}× {status}** |"
    if run.verdict.words:
        yield ""
        yield from (f"* {words}" for words in run.verdict.words)


def _kills(kills: Sequence[Kill]) -> Iterator[str]:
    """By victim: from the kill until all was well."""
    by_victim: defaultdict[str, list[float]] = defaultdict(list)
    for kill in kills:
        by_victim[kill.victim].append(kill.recovered_s)
    yield "| killed with -9 | times | recovered after, median | at most |"
    yield "|---|---:|---:|---:|"
    for victim, times in sorted(by_victim.items()):
        median = sorted(times)[len(times) // 2]
        yield f"| {victim} | {len(times)} | {median:.1f} s | {max(times):.1f} s |"
