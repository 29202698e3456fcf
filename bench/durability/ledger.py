"""What was acknowledged, and the reckoning: the ledger against what is stored and published. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

SHOWN_MAX = 20


class Entry(Struct, frozen=True):
    """One message of a sender, in the order of sending; `message_id` is empty as long as it has no answer."""

    nonce: str
    message_id: str = ""
    sequence: int = 0


class Stored(Struct, frozen=True):
    """A message as the history has it."""

    message_id: str
    sequence: int
    nonce: str | None
    content: str


class Published(Struct, frozen=True):
    """An event about a new message, in the order of its partition."""

    event_id: str
    message_id: str
    sequence: int


class Verdict(Struct):
    """How much is not as it has to be; `words` tell the first of each kind."""

    faults: Counter[str] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)
    redelivered: int = 0
    """Events that stand in a topic more than once: consumers know them by their id, so this is no fault."""

    @property
    def good(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.faults

    def add(self, kind: str, about: str) -> None:
        """Count a fault."""
        self.faults[kind] += 1
        if self.faults[kind] <= SHOWN_MAX:
            self.words.append(f"{kind}: {about}")


LOST = "lost"
DOUBLED = "doubled"
DISORDER = "out of order"
GAP = "gap"
FOREIGN = "never sent"
EVENT_LOST = "event lost"
EVENT_FOREIGN = "event about nothing stored"
EVENT_DOUBLED = "event doubled"
EVENT_DISORDER = "events out of order"


def content_of(nonce: str) -> str:
    """What a message says: told by its nonce, so that the ledger need not keep it."""
    return f"The engine weaves algebraic patterns, {nonce}."


def check_channel(
    channel_id: str, senders: Sequence[Sequence[Entry]], history: Sequence[Stored], verdict: Verdict
) -> None:
    """A channel's history, the oldest first, against what its senders know."""
    for number, stored in enumerate(history, 1):
        if stored.sequence != number:
            verdict.add(GAP, f"{channel_id} has {stored.sequence} where {number} belongs")
            break
    nonces = Counter(stored.nonce for stored in history)
    for nonce, times in nonces.items():
        if times > 1:
            verdict.add(DOUBLED, f"{nonce} is {times} times in {channel_id}")
    by_nonce = {stored.nonce: stored for stored in history}
    for entries in senders:
        _check_sender(channel_id, entries, by_nonce, verdict)
    sent = {entry.nonce for entries in senders for entry in entries}
    for nonce in nonces.keys() - sent:
        verdict.add(FOREIGN, f"{nonce} in {channel_id}")


def _check_sender(
    channel_id: str, entries: Sequence[Entry], by_nonce: Mapping[str | None, Stored], verdict: Verdict
) -> None:
    """Every acknowledged message is there as it was answered, and in the order of sending."""
    last = 0
    for entry in entries:
        stored = by_nonce.get(entry.nonce)
        if entry.message_id and not _is(stored, entry):
            verdict.add(LOST, f"{entry.nonce} in {channel_id}: acknowledged as {entry.sequence}, is {stored}")
        if stored is None:
            continue
        if stored.sequence < last:
            verdict.add(DISORDER, f"{entry.nonce} in {channel_id}: {stored.sequence} after {last}")
        last = max(last, stored.sequence)


def _is(stored: Stored | None, entry: Entry) -> bool:
    return stored == Stored(entry.message_id, entry.sequence, entry.nonce, content_of(entry.nonce))


def check_events(
    topic: str, channel_id: str, history: Iterable[Stored], events: Sequence[Published], verdict: Verdict
) -> None:
    """A channel's events in one topic, in their order, against its history: once in effect, and in order."""
    first: dict[str, Published] = {}
    last = 0
    for event in events:
        known = first.get(event.message_id)
        if known is None:
            first[event.message_id] = event
            if event.sequence <= last:
                verdict.add(EVENT_DISORDER, f"{topic}, {channel_id}: {event.sequence} after {last}")
            last = max(last, event.sequence)
        elif known.event_id == event.event_id:
            verdict.redelivered += 1
        else:
            verdict.add(EVENT_DOUBLED, f"{topic}, {channel_id}: message {event.sequence} has two events")
    there = {stored.message_id: stored.sequence for stored in history}
    for message_id in there.keys() - first.keys():
        verdict.add(EVENT_LOST, f"{topic}, {channel_id}: message {there[message_id]}")
    for message_id in first.keys() - there.keys():
        verdict.add(EVENT_FOREIGN, f"{topic}, {channel_id}: event {first[message_id].event_id}")
