"""Each example is decoded by its own struct."""

import msgspec
from msgspec import Struct

from shared.contracts.account import PageQuery
from shared.contracts.catalogue import EVENTS, OPERATIONS
from shared.contracts.errors import ErrorReply
from shared.contracts.event import Event, EventType
from shared.contracts.examples import example_of, example_of_event
from shared.contracts.message import HistoryQuery, SendMessageBody
from tests.support.offenders import assert_each

STRUCTS = {
    kind.__name__: kind
    for operation in OPERATIONS.values()
    for kind in (operation.request, operation.body, operation.query, operation.answer, ErrorReply)
    if kind is not None
}


def test_a_struct_decodes_its_example() -> None:
    def check(struct: type[Struct]) -> None:
        example = example_of(struct)
        decoded = msgspec.json.decode(msgspec.json.encode(example), type=struct)
        assert msgspec.to_builtins(decoded).items() >= example.items()

    assert_each(STRUCTS, check)


def test_an_event_decodes_its_example() -> None:
    def check(kind: EventType) -> None:
        event = msgspec.json.decode(msgspec.json.encode(example_of_event(kind)), type=Event)
        assert event.type == kind.name
        msgspec.json.decode(event.data, type=kind.data)

    assert_each(EVENTS, check)


def test_examples_show_what_the_fields_show() -> None:
    assert example_of(SendMessageBody) == {
        "content": "Hello, everyone!",
        "nonce": "b7e1-42",
        "attachments": (),
    }


def test_examples_of_lists_have_no_made_up_bounds() -> None:
    assert example_of(PageQuery) == {"limit": 50}
    assert example_of(HistoryQuery) == {"limit": 50}
