"""The AsyncAPI document is valid by the official schema and complete; its examples fit their schemas."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from apps.gateway.documents.asyncapi.document import asyncapi_document
from apps.gateway.documents.asyncapi.headers import (
    EVENT_HEADERS,
    FAILURE_HEADERS,
    REPLY_HEADERS,
    REQUEST_HEADERS,
)
from shared.contracts.catalogue import EVENTS, OPERATIONS
from shared.contracts.errors import CATALOGUE
from shared.contracts.topics import all_topics
from shared.kit.wire import failure
from shared.kit.wire import headers as wire

SCHEMA = json.loads((Path(__file__).parents[3] / "data/asyncapi/3.0.0.json").read_bytes())
DOCUMENT = json.loads(json.dumps(asyncapi_document(partitions=4)))


def test_it_is_valid_asyncapi_3() -> None:
    assert [error.message for error in Draft7Validator(SCHEMA).iter_errors(DOCUMENT)] == []


def test_the_official_schema_rejects_a_wrong_document() -> None:
    broken = {**DOCUMENT, "channels": {"x": {"adress": "x"}}}
    with pytest.raises(jsonschema.ValidationError):
        Draft7Validator(SCHEMA).validate(broken)


def references(value: Any) -> Iterator[str]:
    """Yield every `$ref` at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def resolve(reference: str) -> Any:
    """Return the part of the document that a `$ref` points to, or None."""
    value: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        value = value.get(part, {})
    return value or None


def test_every_reference_leads_somewhere() -> None:
    distinct = set(references(DOCUMENT))
    assert len(distinct) > 100
    assert [reference for reference in distinct if resolve(reference) is None] == []


def test_every_topic_has_a_channel() -> None:
    channels = DOCUMENT["channels"]
    assert channels.keys() == {topic.name for topic in all_topics(4)} | {
        f"{name}.reply" for name in OPERATIONS
    }
    for topic in all_topics(4):
        assert channels[topic.name]["address"] == topic.name
        binding = channels[topic.name]["bindings"]["kafka"]
        assert binding["partitions"] == topic.partitions
        assert binding["topicConfiguration"]["retention.ms"] == int(topic.config["retention.ms"])
        assert channels[topic.name]["messages"]


def test_every_operation_replies_where_the_request_says() -> None:
    for name, operation in OPERATIONS.items():
        documented = DOCUMENT["operations"][name]
        assert documented["action"] == "receive"
        assert documented["reply"]["address"]["location"] == "$message.header#/reply_to"
        replies = DOCUMENT["channels"][f"{name}.reply"]
        assert replies["address"] is None
        assert replies["messages"].keys() == {f"{name}.answer", f"{name}.error"}
        headers = DOCUMENT["components"]["messages"][f"{name}.error"]["headers"]
        codes = headers["properties"]["error"]["enum"]
        assert {error.name for error in operation.errors} <= set(codes) <= CATALOGUE.keys()
        assert ("payload" in DOCUMENT["components"]["messages"][f"{name}.answer"]) == (
            operation.answer is not None
        )
        request = DOCUMENT["components"]["messages"][f"{name}.request"]
        assert ("idempotency_key" in request["headers"]["properties"]) == operation.idempotent


def test_every_event_is_sent_on_all_its_topics() -> None:
    for name, event in EVENTS.items():
        for topic in event.topics:
            assert name in DOCUMENT["channels"][topic]["messages"]
            messages = {
                reference["$ref"] for reference in DOCUMENT["operations"][f"send.{topic}"]["messages"]
            }
            assert f"#/channels/{topic}/messages/{name}" in messages


def example_faults(name: str, message: dict[str, Any]) -> list[str]:
    """Return a line for each part of an example that does not fit its schema."""
    if not message["examples"]:
        return [f"{name} has no example"]
    faults = [
        f"{name}: payload" for one in message["examples"] if ("payload" in one) != ("payload" in message)
    ]
    for example in message["examples"]:
        for part in sorted(example.keys() & {"headers", "payload"}):
            schema = {**message[part], "components": DOCUMENT["components"]}
            validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
            faults += [f"{name}: {part}: {error.message}" for error in validator.iter_errors(example[part])]
    return faults


def test_examples_fit_their_schemas() -> None:
    messages = DOCUMENT["components"]["messages"]
    assert len(messages) > 100
    assert [fault for name, message in messages.items() for fault in example_faults(name, message)] == []


def test_an_example_that_does_not_fit_is_found() -> None:
    message = DOCUMENT["components"]["messages"]["message.send.request"]
    (first, *_) = message["examples"]
    wrong = {**message, "examples": [{**first, "payload": {**first["payload"], "content": "\0"}}]}
    assert [fault.partition(": ")[2][:7] for fault in example_faults("send", wrong)] == ["payload"]
    assert example_faults("send", {**message, "examples": []}) == ["send has no example"]
    without = {part: value for part, value in first.items() if part != "payload"}
    assert example_faults("send", {**message, "examples": [without]}) == ["send: payload"]


def test_the_documented_headers_are_those_of_the_kit() -> None:
    names = (wire.CORRELATION_ID, wire.CALL_ID, wire.REPLY_TO, wire.DEADLINE, wire.TRACEPARENT)
    assert {*names, wire.SIGNATURE} <= set(REQUEST_HEADERS)
    assert REPLY_HEADERS == (wire.CORRELATION_ID, wire.CALL_ID, wire.STATUS, wire.SIGNATURE)
    assert FAILURE_HEADERS == failure.FAILURE_HEADERS
    assert EVENT_HEADERS == ("event_id", "event_type", wire.TOPICS, wire.SIGNATURE)


def test_no_security_scheme_is_promised() -> None:
    assert "securitySchemes" not in json.dumps(DOCUMENT)


def test_gateways_send_and_receive_rate_limit_counts() -> None:
    assert list(DOCUMENT["channels"]["rate-limits"]["messages"]) == ["limits.taken"]
    actions = {DOCUMENT["operations"][name]["action"] for name in ("send.rate-limits", "receive.rate-limits")}
    assert actions == {"send", "receive"}
