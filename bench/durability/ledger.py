"""The ledger of acknowledged sends, and its comparison with stored and published messages. Pure."""

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
    content: str
    partition: int = 0


class Verdict(Struct):
    """The number of faults of each kind; `words` describe the first of each."""

    faults: Counter[str] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)
    redelivered: int = 0
    """Events that stand in a topic more than once: consumers know them by their id, so this is no fault."""

    @property
    def good(self) -> bool:
        """Return True if there is no fault."""
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
EVENT_WRONG = "event tells something else"
EVENT_DISORDER = "events out of order"


def content_of(nonce: str) -> str:
    """Return the content of a message, derived from its nonce, so that the ledger need not store it."""
    return f"The engine weaves algebraic patterns, {nonce}."


def check_channel(
    channel_id: str, senders: Sequence[Sequence[Entry]], history: Sequence[Stored], verdict: Verdict
) -> None:
    """Check a channel's history, oldest first, against the acknowledged sends."""
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
    """Every acknowledged message is stored as it was acknowledged, and in the order of sending."""
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
    """Check a channel's events in one topic against its history: once in effect, and in order."""
    where = f"{topic}, {channel_id}"
    first: dict[str, Published] = {}
    for event in events:
        known = first.get(event.message_id)
        if known is None:
            first[event.message_id] = event
        elif known == event:
            verdict.redelivered += 1
        elif known.event_id == event.event_id and known.partition == event.partition:
            verdict.add(EVENT_WRONG, f"{where}: {event.event_id} was sent again and is another")
        else:
            verdict.add(EVENT_DOUBLED, f"{where}: message {event.sequence} has two events")
    _check_order(where, first.values(), verdict)
    _check_contents(where, {stored.message_id: stored for stored in history}, first, verdict)


def _check_order(where: str, firsts: Iterable[Published], verdict: Verdict) -> None:
    """In one partition, for there is no order between two; and the sequence grows."""
    last, partition = 0, None
    for event in firsts:
        if partition not in (None, event.partition):
            verdict.add(EVENT_DISORDER, f"{where}: {event.sequence} is not in partition {partition}")
        elif event.sequence <= last:
            verdict.add(EVENT_DISORDER, f"{where}: {event.sequence} after {last}")
        partition = event.partition if partition is None else partition
        last = max(last, event.sequence)


def _check_contents(
    where: str, there: Mapping[str, Stored], first: Mapping[str, Published], verdict: Verdict
) -> None:
    """Every message has its event, which says what is stored, under an id that no other event has."""
    for message_id in there.keys() - first.keys():
        verdict.add(EVENT_LOST, f"{where}: message {there[message_id].sequence}")
    ids = Counter(event.event_id for event in first.values())
    for message_id, event in first.items():
        stored = there.get(message_id)
        if stored is None:
            verdict.add(EVENT_FOREIGN, f"{where}: event {event.event_id}")
        elif (event.sequence, event.content) != (stored.sequence, stored.content):
            verdict.add(EVENT_WRONG, f"{where}: event {event.event_id} about message {stored.sequence}")
        elif ids[event.event_id] > 1:  # who knows events by their id takes only one of them
            verdict.add(EVENT_LOST, f"{where}: message {stored.sequence}, whose event has the id of another")
