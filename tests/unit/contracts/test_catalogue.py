"""The catalogue is consistent: operations, errors, events and topics."""

import re
from hashlib import sha256

import msgspec
import pytest

from shared.contracts import account, errors, file, message, server
from shared.contracts.account import USER_REFRESH, Refresh
from shared.contracts.base import Answer, Body, Request
from shared.contracts.catalogue import ERRORS, EVENTS, OPERATIONS, SERVICES, operations_of
from shared.contracts.errors import ErrorCode, FieldError
from shared.contracts.event import LIVE
from shared.contracts.examples import example_of
from shared.contracts.operation import Operation
from shared.contracts.topics import (
    CONSUMER_GROUPS,
    LIVE_PARTITIONS,
    RETRY_DELAYS_S,
    all_topics,
    dead_letter_topic,
    reply_topic,
    retry_topic,
)
from tests.support.offenders import assert_each

ALL = [*account.OPERATIONS, *server.OPERATIONS, *message.OPERATIONS, *file.OPERATIONS]
BY_NAME = {operation.name: operation for operation in ALL}


def field_names(kind: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind)}


def test_every_operation_is_listed_once() -> None:
    assert len(OPERATIONS) == len(ALL)
    assert {
        name for service in SERVICES for name in (o.name for o in operations_of(service))
    } == OPERATIONS.keys()


def test_the_key_is_a_required_field_of_the_request() -> None:
    def check(operation: Operation) -> None:
        assert operation.key in field_names(operation.request)
        request = msgspec.convert(example_of(operation.request), operation.request, strict=False)
        key = operation.key_of(request)
        assert key
        assert key.decode().isprintable()

    assert_each(BY_NAME, check)


def test_a_secret_is_no_readable_key() -> None:
    key = USER_REFRESH.key_of(Refresh(refresh_token="hunter2"))
    assert key == sha256(b"hunter2").hexdigest().encode()


def test_the_request_is_the_body_the_query_and_the_path() -> None:
    def check(operation: Operation) -> None:
        assert issubclass(operation.request, Request)
        assert not operation.request.__struct_config__.forbid_unknown_fields
        for part in (operation.body, operation.query):
            if part is not None:
                assert issubclass(operation.request, part)
                assert issubclass(part, Body)
                assert part.__struct_config__.forbid_unknown_fields
        if not operation.public:
            assert "profile_id" in field_names(operation.request)

    assert_each(BY_NAME, check)


def test_statuses_and_answers_fit() -> None:
    def check(operation: Operation) -> None:
        assert (operation.status == 204) == (operation.answer is None)
        assert all(200 <= status < 300 and status != operation.status for status in operation.also)
        if operation.answer is not None:
            assert issubclass(operation.answer, Answer)
            assert not operation.answer.__struct_config__.forbid_unknown_fields
        assert all(ERRORS[kind.name] is kind for kind in operation.errors)
        assert len(set(operation.errors)) == len(operation.errors)
        assert not (operation.reads and operation.idempotent)
        assert operation.summary
        assert not operation.summary.endswith(".")

    assert_each(BY_NAME, check)


def test_tokens_are_never_stored_with_an_idempotency_key() -> None:
    def check(operation: Operation) -> None:
        if operation.answer is not None and "refresh_token" in field_names(operation.answer):
            assert not operation.idempotent

    assert_each(BY_NAME, check)


def test_all_json_is_camel_case() -> None:
    kinds = {kind for o in ALL for kind in (o.request, o.body, o.query, o.answer) if kind}
    kinds |= {kind.data for kind in EVENTS.values()}
    for kind in kinds:
        for field in msgspec.structs.fields(kind):
            assert re.fullmatch(r"[a-z][a-zA-Z0-9]*", field.encode_name), (kind, field.encode_name)


def test_every_error_is_in_the_catalogue_once() -> None:
    kinds = [value for value in vars(errors).values() if isinstance(value, ErrorCode)]
    assert len({kind.name for kind in kinds}) == len(kinds) == len(ERRORS)
    for code, kind in ERRORS.items():
        assert code == kind.name
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", code)
        assert 400 <= kind.status <= 599
        assert kind.title and not kind.title.endswith(".")
        assert kind.explanation.endswith(".")
        assert (kind.retry_after_s is not None) == (kind.status in (429, 503, 504))


PUBLISHED_CODES = {
    400: "validation.failed, body.malformed",
    401: "token.missing, token.invalid, token.expired, credentials.invalid",
    403: "permission.denied",
    404: "route.unknown, server.not_found, channel.not_found, message.not_found",
    405: "method.not_allowed",
    409: "email.taken, member.exists, idempotency.mismatch, server.owner_cannot_leave, channel.not_text",
    410: "invite.expired",
    413: "body.too_large, file.too_large",
    415: "media_type.unsupported",
    429: "rate.limited",
    503: "mesh.busy",
    504: "mesh.timeout",
}


@pytest.mark.parametrize(("status", "codes"), PUBLISHED_CODES.items())
def test_published_codes_stay(status: int, codes: str) -> None:
    assert {ERRORS[code].status for code in codes.split(", ")} == {status}


def test_an_error_carries_what_was_wrong() -> None:
    error = errors.VALIDATION_FAILED.exception("1 thing", (FieldError("content", "is required"),))
    assert str(error) == "validation.failed: 1 thing"
    assert (error.code, error.detail, error.errors[0].path) == (
        errors.VALIDATION_FAILED,
        "1 thing",
        "content",
    )


PUBLISHED_PATTERNS = {
    "auth": "user.signup, user.signin, user.refresh, user.signout, user.get, user.update, "
    "user.changePassword, session.list, session.revoke, keys.get, user.verifyToken",
    "server": "create.server, get.involved.server, get.server, update.server, delete.server, "
    "is.server.exists, leave.server, channel.create, channel.list, channel.get, channel.update, "
    "channel.delete, member.list, member.update, member.remove, invite.create, invite.list, invite.revoke, "
    "invite.regenerate, invite.get, invite.accept",
    "message": "message.send, message.history, message.get, message.edit, message.delete",
    "file": "file.create, file.complete, file.get, file.download, file.delete",
}


@pytest.mark.parametrize(("service", "names"), PUBLISHED_PATTERNS.items())
def test_published_patterns_stay(service: str, names: str) -> None:
    assert set(names.split(", ")) <= {operation.name for operation in operations_of(service)}


def test_published_consumer_groups_stay() -> None:
    assert CONSUMER_GROUPS == {
        "auth": "auth-consumer-group",
        "server": "server-consumer-group",
        "message": "message-consumer-group",
        "file": "file-service-consumer",
    }


def test_every_topic_of_an_event_is_created() -> None:
    topics = {topic.name for topic in all_topics(4)}
    for kind in EVENTS.values():
        assert kind.topics
        assert set(kind.topics) <= topics
        assert kind.service in SERVICES
        assert LIVE not in kind.topics or kind.service in ("server", "message")
    copies = {
        "channels.create",
        "channels.delete",
        "user.join-server",
        "user.leave-server",
        "channels.send-message",
    }
    assert copies <= topics


def test_topics_are_unique_bounded_and_of_a_kind_that_kafka_takes() -> None:
    topics = all_topics(4)
    names = [topic.name for topic in topics]
    assert len(set(names)) == len(names)
    # Kafka's metrics take `.` and `_` for the same.
    assert len({name.replace("_", ".") for name in names}) == len(names)
    for topic in topics:
        assert re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", topic.name)
        assert topic.config["cleanup.policy"] == "delete"
        assert int(topic.config["retention.ms"]) > 0
        assert topic.partitions >= 1
        assert topic.summary


def test_segments_end_so_that_retention_holds_with_little_traffic_too() -> None:
    by_name = {topic.name: topic for topic in all_topics(4)}
    for topic in by_name.values():
        assert int(topic.config["segment.ms"]) <= min(int(topic.config["retention.ms"]), 86_400_000)
    assert by_name["message.send"].config["segment.ms"] == "3600000"


def test_live_events_never_change_their_partitions() -> None:
    for partitions in (1, 4, 12):
        by_name = {topic.name: topic for topic in all_topics(partitions)}
        assert by_name[LIVE].partitions == LIVE_PARTITIONS == 8
        assert by_name["message.send"].partitions == partitions


def test_every_service_has_its_retry_topics_and_dead_letters() -> None:
    names = {topic.name for topic in all_topics(4)}
    for service in SERVICES:
        assert dead_letter_topic(service) in names
        assert all(retry_topic(service, delay_s) in names for delay_s in RETRY_DELAYS_S)
    assert retry_topic("auth", 10) == "auth.retry.10s"
    assert reply_topic("gateway", "h-0-0") == "gateway.replies.h-0-0"
