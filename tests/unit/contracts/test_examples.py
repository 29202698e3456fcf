"""Every example is valid: its own struct decodes it."""

import msgspec
from msgspec import Struct

from shared.contracts.account import PageQuery
from shared.contracts.catalogue import EVENTS, OPERATIONS
from shared.contracts.errors import ErrorReply
from shared.contracts.event import Event
from shared.contracts.examples import example_of, example_of_event
from shared.contracts.message import HistoryQuery, SendMessageBody

STRUCTS = {
    kind.__name__: kind
    for operation in OPERATIONS.values()
    for kind in (operation.request, operation.body, operation.query, operation.answer, ErrorReply)
    if kind is not None
}


def faults_of(struct: type[Struct]) -> list[str]:
    """Return the reason if a struct does not decode its own example, or changes it."""
    example = example_of(struct)
    try:
        decoded = msgspec.json.decode(msgspec.json.encode(example), type=struct)
    except msgspec.MsgspecError as error:
        return [f"{struct.__name__}: {error}"]
    is_same = msgspec.to_builtins(decoded).items() >= example.items()
    return [] if is_same else [f"{struct.__name__}: decoded as {decoded}"]


def test_every_struct_decodes_its_example() -> None:
    assert len(STRUCTS) > 60
    assert [fault for struct in STRUCTS.values() for fault in faults_of(struct)] == []


def test_every_event_decodes_its_example() -> None:
    for event_type in EVENTS.values():
        event = msgspec.json.decode(msgspec.json.encode(example_of_event(event_type)), type=Event)
        assert event.type == event_type.name
        assert msgspec.json.decode(event.data, type=event_type.data), event_type.name


def test_an_example_has_the_examples_of_its_fields() -> None:
    assert example_of(SendMessageBody) == {
        "content": "Hello, everyone!",
        "nonce": "b7e1-42",
        "attachments": (),
    }


def test_examples_of_pages_have_the_default_limit() -> None:
    assert example_of(PageQuery) == {"limit": 50}
    assert example_of(HistoryQuery) == {"limit": 50}
