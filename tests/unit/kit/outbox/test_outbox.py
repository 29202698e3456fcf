"""Events as they stand in Kafka, and the rows that they wait in."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import MetaData

from shared.contracts.event import MESSAGE_DELETED, Event, MessageDeleted
from shared.kit.clock import SystemIds, now_ms, now_s
from shared.kit.outbox.outbox import OUTBOX_INSERT, Fact, encode_event, outbox_rows, outbox_tables, shard_of

KEY = UUID("019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f")
GONE = MessageDeleted(id=KEY, channel_id=KEY, server_id=KEY, sequence=3)
FACT = Fact(event_type=MESSAGE_DELETED, key=KEY, revision=9, data=GONE, correlation_id="c1")
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class Fixed:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


def test_an_event_is_json_in_camel_case() -> None:
    raw = encode_event(FACT, KEY, NOW)
    assert msgspec.json.decode(raw) == {
        "id": str(KEY),
        "type": "message.deleted",
        "occurredAt": "2026-05-01T12:00:00Z",
        "revision": 9,
        "version": 1,
        "data": {"id": str(KEY), "channelId": str(KEY), "serverId": str(KEY), "sequence": 3},
    }
    event = msgspec.json.decode(raw, type=Event)
    assert msgspec.json.decode(event.data, type=MessageDeleted) == GONE


def test_rows_are_the_columns_of_the_table() -> None:
    columns = outbox_rows([FACT, FACT], Fixed(), SystemIds())
    outbox = outbox_tables(MetaData())[0]
    names = [column.name for column in outbox.columns if column.name != "id"]
    assert OUTBOX_INSERT.startswith(f"INSERT INTO outbox ({', '.join(names)})")
    values = dict(zip(names, columns, strict=True))
    assert values["slice"] == [shard_of(KEY)] * 2
    assert values["key"] == [KEY, KEY]
    assert values["topics"] == ["live-events message-events"] * 2
    assert values["correlation_id"] == ["c1", "c1"]
    assert values["created_at"] == [NOW, NOW]
    assert len(set(map(str, values["event_id"]))) == 2
    for event_id, body in zip(values["event_id"], values["body"], strict=True):  # type: ignore[call-overload]
        assert msgspec.json.decode(body, type=Event).id == event_id


def test_ids_are_ordered_by_time() -> None:
    made = [SystemIds().new() for _ in range(1000)]
    assert made == sorted(made)
    assert {one.version for one in made} == {7}
    assert abs((made[-1].int >> 80) - now_ms()) < 5_000


def test_the_steady_clock_goes_on() -> None:
    before_s = now_s()
    assert before_s <= now_s() < before_s + 60
