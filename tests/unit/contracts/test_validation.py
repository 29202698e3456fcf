"""Decoding bodies and queries: every fault at once, and nothing but a struct or a typed error."""

import json
import time
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from shared.contracts.account import PageQuery, SignIn, SignUpBody, UpdateProfileBody
from shared.contracts.base import Body, Request
from shared.contracts.catalogue import OPERATIONS
from shared.contracts.errors import BODY_MALFORMED, VALIDATION_FAILED, ErrorReply, FieldError, ServiceError
from shared.contracts.examples import example_of
from shared.contracts.message import HistoryQuery, SendMessageBody
from shared.contracts.server import CreateChannelBody, CreateInviteBody, OfInvite, UpdateMemberBody
from shared.contracts.validation import decode_body, decode_query

BODIES = sorted(
    {kind for operation in OPERATIONS.values() for kind in (operation.body, operation.request) if kind},
    key=lambda kind: kind.__name__,
)
FROM_OUTSIDE = [kind for kind in BODIES if issubclass(kind, Body) and not issubclass(kind, Request)]
QUERIES = sorted(
    {operation.query for operation in OPERATIONS.values() if operation.query}, key=lambda kind: kind.__name__
)
NAMES = sorted({field.encode_name for kind in BODIES for field in msgspec.structs.fields(kind)})


def faults(raw: bytes, kind: type[Struct]) -> dict[str, str]:
    with pytest.raises(ServiceError) as caught:
        decode_body(raw, kind)
    assert caught.value.code is VALIDATION_FAILED
    return {fault.path: fault.message for fault in caught.value.errors}


def query_faults(pairs: list[tuple[str, str]], kind: type[Struct]) -> dict[str, str]:
    with pytest.raises(ServiceError) as caught:
        decode_query(pairs, kind)
    assert caught.value.code is VALIDATION_FAILED
    return {fault.path: fault.message for fault in caught.value.errors}


def check_told(error: ServiceError) -> None:
    """The error can be sent to the caller: it can be encoded and is of a bearable size."""
    told = ErrorReply(
        code=error.code.name, status=error.code.status, detail=error.detail, errors=error.errors
    )
    encoded = msgspec.json.encode(told)
    assert len(encoded) < 100_000
    json.loads(encoded)
    assert 400 <= error.code.status < 500


def test_a_good_body() -> None:
    assert decode_body(b'{"content": " hi "}', SendMessageBody) == SendMessageBody(content=" hi ")


def test_every_fault_is_told_at_once() -> None:
    raw = json.dumps({"name": "", "email": "nobody", "pasword": "x"}).encode()
    assert faults(raw, SignUpBody) == {
        "pasword": "is not a known field",
        "name": "must be 1 to 32 characters, not only spaces, without NUL",
        "email": "must be an e-mail address of at most 254 characters",
        "password": "is required",
    }


def test_values_of_the_wrong_type() -> None:
    assert faults(b'{"name": 3, "type": "TEXT"}', CreateChannelBody).keys() == {"name"}
    assert faults(b'{"name": "a", "type": "text"}', CreateChannelBody) == {
        "type": "must be one of TEXT, AUDIO, VIDEO"
    }
    assert faults(b'{"role": null}', UpdateMemberBody).keys() == {"role"}
    assert faults(b'{"name": null}', UpdateProfileBody).keys() == {"name"}
    assert faults(b'{"maxAgeS": "60", "maxUses": 1.5}', CreateInviteBody).keys() == {"maxAgeS", "maxUses"}
    assert faults(b'{"maxAgeS": true, "maxUses": 0}', CreateInviteBody).keys() == {"maxAgeS", "maxUses"}


def test_absent_and_null_are_two_things() -> None:
    assert decode_body(b"{}", UpdateProfileBody).image_url is msgspec.UNSET
    assert decode_body(b'{"imageUrl": null}', UpdateProfileBody).image_url is None


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"x"', b"true"])
def test_a_body_that_is_no_object(raw: bytes) -> None:
    assert faults(raw, SendMessageBody) == {"$": "must be a JSON object"}


@pytest.mark.parametrize(
    "raw", [b"", b" ", b"{", b"{}x", b"\xff", b'{"content": "\xff"}', b"[" * 100_000, b"{'a': 1}", b"NaN"]
)
def test_a_body_that_is_no_json(raw: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        decode_body(raw, SendMessageBody)
    assert caught.value.code is BODY_MALFORMED
    check_told(caught.value)


def test_the_list_of_faults_is_bounded() -> None:
    raw = json.dumps({f"unknown{number}": 1 for number in range(500)}).encode()
    assert len(faults(raw, SendMessageBody)) == 50


def test_a_field_twice_with_one_of_them_bad_is_refused() -> None:
    assert faults(b'{"content": 1, "content": "x"}', SendMessageBody)


def test_a_request_may_have_fields_that_we_do_not_know_yet() -> None:
    decode_body(b'{"email": "a@b.cd", "password": "x", "later": 1}', SignIn)
    assert faults(b'{"email": "a@b.cd", "later": 1}', SignIn) == {"password": "is required"}


def test_what_the_caller_sent_is_not_sent_back_at_length() -> None:
    huge = "x" * 200_000
    for raw in ({"role": huge}, {huge: 1}, {"role": "\ud800"}, {"\ud800": 1}):
        with pytest.raises(ServiceError) as caught:
            decode_body(json.dumps(raw).encode(), UpdateMemberBody)
        check_told(caught.value)
        assert len(msgspec.json.encode(caught.value.errors)) < 2_000


@pytest.mark.parametrize(
    "value",
    [
        "a" * 200_000,
        " " * 200_000,
        "a" * 200_000 + "\0",
        ("a" + " " * 99) * 2_000 + "\0",
        "a@" + "b." * 99_999,
    ],
)
@pytest.mark.parametrize("kind", [*FROM_OUTSIDE, OfInvite], ids=lambda kind: kind.__name__)
def test_no_value_makes_it_slow(kind: type[Struct], value: str) -> None:
    raw = json.dumps({field.encode_name: value for field in msgspec.structs.fields(kind)}).encode()
    begun = time.process_time()
    with suppress(ServiceError):
        decode_body(raw, kind)
    assert time.process_time() - begun < 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(kind=st.sampled_from(BODIES), raw=st.binary(max_size=200))
@example(kind=SendMessageBody, raw=b'{"content":"\\ud800"}')
@example(kind=SendMessageBody, raw=b'{"content":"\\udc00\\ud800"}')
@example(kind=SendMessageBody, raw=b'{"content":1e400}')
@example(kind=SendMessageBody, raw=b'\xef\xbb\xbf{"content":"x"}')
def test_any_bytes_give_a_struct_or_a_typed_error(kind: type[Struct], raw: bytes) -> None:
    check_decoding(raw, kind)


@settings(max_examples=300)
@given(
    kind=st.sampled_from(BODIES),
    values=st.dictionaries(st.sampled_from(NAMES) | st.text(), anything, max_size=8),
)
def test_any_object_gives_a_struct_or_a_typed_error(kind: type[Struct], values: dict[str, Any]) -> None:
    check_decoding(json.dumps(values).encode(), kind)


@settings(max_examples=300)
@given(data=st.data(), kind=st.sampled_from(BODIES))
def test_any_change_of_a_good_body_gives_a_struct_or_a_typed_error(
    data: st.DataObject, kind: type[Struct]
) -> None:
    values = example_of(kind)
    for name in data.draw(st.sets(st.sampled_from(sorted(values)), min_size=1)):
        values[name] = data.draw(anything)
    check_decoding(json.dumps(values).encode(), kind)


def check_decoding(raw: bytes, kind: type[Struct]) -> None:
    try:
        decoded = decode_body(raw, kind)
    except ServiceError as error:
        assert error.code in (BODY_MALFORMED, VALIDATION_FAILED)
        assert (error.code is VALIDATION_FAILED) == bool(error.errors)
        check_told(error)
    else:
        assert isinstance(decoded, kind)
        assert msgspec.json.decode(msgspec.json.encode(decoded), type=kind) == decoded


def test_a_good_query() -> None:
    assert decode_query([("limit", "7"), ("cursor", "abc")], PageQuery) == PageQuery(limit=7, cursor="abc")
    assert decode_query([], PageQuery) == PageQuery(limit=50, cursor=None)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5", "９", " 7", "9" * 5_000, "null", "true"])
def test_a_limit_that_is_none(limit: str) -> None:
    assert query_faults([("limit", limit)], PageQuery) == {"limit": "must be a number from 1 to 100"}


def test_every_fault_of_a_query_is_told_at_once() -> None:
    pairs = [("limit", "0"), ("before", "x"), ("around", "y"), ("befor", "z"), ("after", "1"), ("after", "2")]
    assert query_faults(pairs, HistoryQuery).keys() == {"limit", "before", "around", "befor", "after"}


def test_a_parameter_twice_is_refused() -> None:
    assert query_faults([("limit", "5"), ("limit", "5")], PageQuery) == {"limit": "may be given once only"}


@given(
    kind=st.sampled_from(QUERIES),
    pairs=st.lists(st.tuples(st.sampled_from(["limit", "cursor", "before", "x"]) | st.text(), st.text())),
)
def test_any_query_gives_a_struct_or_a_typed_error(kind: type[Body], pairs: list[tuple[str, str]]) -> None:
    try:
        decoded = decode_query(pairs, kind)
    except ServiceError as error:
        assert error.code is VALIDATION_FAILED
        assert error.errors
        check_told(error)
    else:
        assert isinstance(decoded, kind)


def test_the_error_names_what_is_wrong() -> None:
    with pytest.raises(ServiceError) as caught:
        decode_body(b"{}", SendMessageBody)
    assert caught.value.detail == "1 thing(s) wrong with: content."
    assert caught.value.errors == (FieldError("content", "is required"),)
