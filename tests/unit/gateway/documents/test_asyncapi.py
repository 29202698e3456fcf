"""The AsyncAPI document: valid by the official schema, complete, its examples true."""

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
from shared.kit.wire import call, failure

SCHEMA = json.loads((Path(__file__).parents[3] / "data/asyncapi/3.0.0.json").read_bytes())
DOCUMENT = json.loads(json.dumps(asyncapi_document(partitions=4)))


def test_it_is_valid_asyncapi_3() -> None:
    assert [error.message for error in Draft7Validator(SCHEMA).iter_errors(DOCUMENT)] == []


def test_the_official_schema_rejects_a_wrong_document() -> None:
    broken = {**DOCUMENT, "channels": {"x": {"adress": "x"}}}
    with pytest.raises(jsonschema.ValidationError):
        Draft7Validator(SCHEMA).validate(broken)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 100
    for reference in found:
        assert resolve(reference)


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
        described = DOCUMENT["operations"][name]
        assert described["action"] == "receive"
        assert described["reply"]["address"]["location"] == "$message.header#/reply_to"
        replies = DOCUMENT["channels"][f"{name}.reply"]
        assert replies["address"] is None
        assert replies["messages"].keys() == {f"{name}.answer", f"{name}.error"}
        error = DOCUMENT["components"]["messages"][f"{name}.error"]
        codes = error["headers"]["properties"]["error"]["enum"]
        assert {kind.code for kind in operation.errors} <= set(codes) <= CATALOGUE.keys()
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


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_examples_are_true(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    assert message["examples"]
    for example in message["examples"]:
        assert ("payload" in example) == ("payload" in message)
        for part in example.keys() & {"headers", "payload"}:
            schema = {**message[part], "components": DOCUMENT["components"]}
            Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
                example[part]
            )


def test_a_false_example_is_noticed() -> None:
    message = DOCUMENT["components"]["messages"]["message.send.request"]
    schema = {**message["payload"], "components": DOCUMENT["components"]}
    with pytest.raises(jsonschema.ValidationError):
        Draft202012Validator(schema).validate({**message["examples"][0]["payload"], "content": "\0"})


def test_headers_are_those_written_by_the_kit() -> None:
    names = (call.CORRELATION_ID, call.CALL_ID, call.REPLY_TO, call.DEADLINE, call.TRACEPARENT)
    assert {*names, call.SIGNATURE} <= set(REQUEST_HEADERS)
    assert REPLY_HEADERS == (call.CORRELATION_ID, call.CALL_ID, call.STATUS, call.SIGNATURE)
    assert FAILURE_HEADERS == failure.FAILURE_HEADERS
    assert EVENT_HEADERS == ("event_id", "event_type", call.TOPICS, call.SIGNATURE)


def test_it_declares_no_security_schemes() -> None:
    assert "securitySchemes" not in json.dumps(DOCUMENT)


def test_gateways_share_the_counts_of_admitted_requests() -> None:
    assert list(DOCUMENT["channels"]["rate-limits"]["messages"]) == ["limits.taken"]
    actions = {DOCUMENT["operations"][name]["action"] for name in ("send.rate-limits", "receive.rate-limits")}
    assert actions == {"send", "receive"}
