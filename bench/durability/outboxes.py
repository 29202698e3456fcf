"""Every event that was ever written to an outbox, against what stands in a topic. Pure, but for its SQL."""

from collections.abc import Iterable

from msgspec import Struct

from bench.durability.ledger import Verdict

KEEP = """
CREATE TABLE outbox_ledger (
    id bigint PRIMARY KEY, event_id uuid NOT NULL, aggregate text NOT NULL, topics text NOT NULL
);
CREATE FUNCTION keep_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox_ledger SELECT id, event_id,
        CASE WHEN type LIKE 'message.%' THEN convert_from(body, 'UTF8')::json #>> '{data,channelId}'
        ELSE key::text END,
        topics FROM written;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_outbox AFTER INSERT ON outbox REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION keep_outbox();
"""
"""A relay deletes what it sent, so each row is noted beside it, in the transaction that wrote it.

The lock of an aggregate gives the order. That of a message is its channel, though its key is the server.
"""
TOPICS = "SELECT DISTINCT unnest(string_to_array(topics, ' ')) FROM outbox_ledger;"
COUNT = "SELECT count(*) FROM outbox_ledger;"
WRITTEN = """
SELECT event_id || ' ' || aggregate FROM outbox_ledger
WHERE '{topic}' = ANY (string_to_array(topics, ' ')) ORDER BY id;
"""

MISSING = "outbox event missing"
STRANGER = "event of no outbox"
OUT_OF_ORDER = "outbox events out of order"


class Written(Struct, frozen=True):
    """An event as it was written to the outbox of a service."""

    event_id: str
    service: str
    aggregate: str


class Found(Struct, frozen=True):
    """A record in the topic, in the order of its partition; `event_id` is empty for one that has none."""

    event_id: str
    partition: int


def check_outboxes(topic: str, written: Iterable[Written], found: Iterable[Found], verdict: Verdict) -> None:
    """Each event is published, and those of one aggregate stand in the order of the outbox of its service.

    `written` is in that order for each service. An event that comes again has no effect any more.
    """
    places = {event.event_id: (place, event) for place, event in enumerate(written)}
    last: dict[tuple[str, str], tuple[int, int]] = {}
    seen: set[str] = set()
    for record in found:
        if record.event_id in seen:
            continue
        seen.add(record.event_id)
        if record.event_id not in places:
            verdict.add(STRANGER, f"{topic}: {record.event_id or 'a record without an id'}")
            continue
        place, event = places[record.event_id]
        partition, before = last.get((event.service, event.aggregate), (record.partition, -1))
        if record.partition != partition or place < before:
            verdict.add(OUT_OF_ORDER, f"{topic}: {event.event_id} of {event.service}, {event.aggregate}")
        last[event.service, event.aggregate] = (partition, max(place, before))
    for event_id in places.keys() - seen:
        verdict.add(MISSING, f"{topic}: {event_id} of {places[event_id][1].service}")
