"""Secrets in bodies: sealed on the way, opened by whom they are for and nobody else, for one call only."""

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import structs

from shared.contracts.account import USER_CHANGE_PASSWORD, USER_SIGNIN, USER_SIGNUP, SignedIn
from shared.contracts.errors import SEAL_BROKEN, SEAL_KEY_GONE, ErrorCode, ServiceError
from shared.contracts.examples import example_of
from shared.contracts.file import FILE_CREATE, NewFile
from shared.contracts.secrets import SEALED_MAX_CHARS
from shared.kit.security.field_encryption import FieldEncryption, open_answer, seal_request
from shared.kit.security.hpke import DecryptionError, base64url, public_text
from shared.kit.wire.call import Call, request_headers
from tests.unit.kit.rpc.calls import SMALL_ORDER, call_of

KEY = X25519PrivateKey.generate()
CALLER = X25519PrivateKey.generate()
BODY = b'{"email":"ada@example.org","password":"correct horse","userAgent":null}'


@pytest.fixture
def seals() -> FieldEncryption:
    made = FieldEncryption()
    made.use({"k1": KEY})
    return made


def signin(**changes: Any) -> Call:
    return call_of(USER_SIGNIN, **{"reply_key": public_text(CALLER), **changes})


def opened(seals: FieldEncryption, call: Call, body: bytes) -> tuple[Call, bytes]:
    return seals.open_request(call, request_headers(call, b"gateway.replies.test"), body)


def refusal(seals: FieldEncryption, call: Call, body: bytes) -> ErrorCode:
    with pytest.raises(ServiceError) as raised:
        opened(seals, call, body)
    assert "correct horse" not in str(raised.value)
    return raised.value.code


def sealed(call: Call, body: bytes = BODY, kid: str = "k1") -> bytes:
    return seal_request(call, body, kid, KEY.public_key())


def test_a_password_is_sealed_on_the_way_and_open_for_the_service(seals: FieldEncryption) -> None:
    call = signin()
    body = sealed(call)
    assert b"correct horse" not in body
    fields = msgspec.json.decode(body)
    assert (fields["email"], fields["password"]["key"]) == ("ada@example.org", "k1")
    _, plain = opened(seals, call, body)
    assert plain == BODY


def test_what_may_be_stored_of_a_request_is_the_same_each_time_and_has_no_secret(
    seals: FieldEncryption,
) -> None:
    call = signin()
    one, two = (opened(seals, call, sealed(call))[0].body for _ in range(2))
    assert one == two
    assert msgspec.json.decode(one)["password"] == "sealed"


def test_two_secrets_are_sealed_each_for_its_own_field(seals: FieldEncryption) -> None:
    call = call_of(USER_CHANGE_PASSWORD)
    body = sealed(call, b'{"current":"the old one","new":"the new one"}')
    assert opened(seals, call, body)[1] == b'{"current":"the old one","new":"the new one"}'
    fields = msgspec.json.decode(body)
    swapped = msgspec.json.encode({"current": fields["new"], "new": fields["current"]})
    assert refusal(seals, call, swapped) is SEAL_BROKEN


@pytest.mark.parametrize(
    "changes",
    [
        {"call_id": "2"},
        {"deadline_ms": 1},
        {"operation": USER_SIGNUP},
        {"reply_key": public_text(X25519PrivateKey.generate())},
    ],
)
def test_a_sealed_password_is_good_for_one_call_only(seals: FieldEncryption, changes: dict[str, Any]) -> None:
    call = signin()
    assert refusal(seals, structs.replace(call, **changes), sealed(call)) is SEAL_BROKEN


def test_a_deadline_that_is_far_is_bound_as_it_was_written(seals: FieldEncryption) -> None:
    """The service reads a deadline as nearer when it is too far, and opens the seal all the same."""
    call = signin(deadline_ms=9_999_999_999_999)
    body = sealed(call)
    headers = request_headers(call, b"gateway.replies.test")
    nearer = structs.replace(call, deadline_ms=5)
    assert seals.open_request(nearer, headers, body)[1] == BODY


@pytest.mark.parametrize("kid", ["", "k0", "k" * 10_000])
def test_an_unknown_or_retired_key_is_told(seals: FieldEncryption, kid: str) -> None:
    call = signin()
    assert refusal(seals, call, sealed(call, kid=kid)) is SEAL_KEY_GONE
    seals.use({})
    assert refusal(seals, call, sealed(call)) is SEAL_KEY_GONE


@pytest.mark.parametrize(
    "password",
    [
        '"correct horse"',
        "null",
        "7",
        "[]",
        "{}",
        '{"sealed":"","key":"k1"}',
        '{"sealed":"%%%","key":"k1"}',
        '{"sealed":"AAAA","key":"k1"}',
        '{"sealed":"AAAA","key":7}',
        '{"sealed":"AAAA\\n","key":"k1"}',
        '{"sealed":"' + "A" * SEALED_MAX_CHARS + '","key":"k1"}',
        '{"sealed":"' + "A" * (SEALED_MAX_CHARS + 1) + '","key":"k1"}',
        "[" * 500 + "]" * 500,
    ],
)
def test_what_is_not_sealed_or_garbage_is_refused(seals: FieldEncryption, password: str) -> None:
    body = f'{{"email":"a@b.c","password":{password}}}'.encode()
    assert refusal(seals, signin(), body) is SEAL_BROKEN


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 100_000])
def test_what_is_no_object_is_left_to_whoever_reads_it(seals: FieldEncryption, body: bytes) -> None:
    assert opened(seals, signin(), body)[1] == body


@pytest.mark.parametrize(
    "reply_key", [None, "", "AAAA", "*" * 43, "x" * 1000, *(base64url(point) for point in SMALL_ORDER)]
)
def test_tokens_are_given_to_nobody_who_names_no_key(seals: FieldEncryption, reply_key: str | None) -> None:
    call = signin(reply_key=reply_key)
    assert refusal(seals, call, sealed(call)) is SEAL_BROKEN
    with pytest.raises(ServiceError):
        seals.seal_answer(call, msgspec.json.encode(example_of(SignedIn)))


def test_the_tokens_of_an_answer_open_for_the_caller_and_for_its_call(seals: FieldEncryption) -> None:
    call = signin()
    plain = msgspec.json.encode(example_of(SignedIn))
    body = seals.seal_answer(call, plain)
    assert b"eyJ" not in body
    assert set(msgspec.json.decode(body)["accessToken"]) == {"sealed"}
    assert open_answer(call, body, CALLER) == plain
    with pytest.raises(DecryptionError):
        open_answer(call, body, KEY)
    with pytest.raises(DecryptionError):
        open_answer(structs.replace(call, call_id="2"), body, CALLER)
    with pytest.raises(DecryptionError):
        open_answer(call, plain, CALLER)


def test_a_secret_within_an_object_is_sealed_where_it_stands(seals: FieldEncryption) -> None:
    call = call_of(FILE_CREATE, reply_key=public_text(CALLER))
    plain = msgspec.json.encode(example_of(NewFile))
    assert b"X-Amz-Signature" in plain
    body = seals.seal_answer(call, plain)
    assert b"X-Amz-Signature" not in body
    shown = msgspec.json.decode(body)
    assert set(shown["upload"].pop("url")) == {"sealed"}
    rest = example_of(NewFile)
    del rest["upload"]["url"]
    assert shown == rest, "all else can be read"
    assert open_answer(call, body, CALLER) == plain
    for other in (b"{}", b'{"upload":{}}'):
        assert seals.seal_answer(call, other) == other
    for garbage in (b'{"upload":null}', b'{"upload":[]}', b'{"upload":{"url":"x"}}'):
        with pytest.raises(DecryptionError):
            open_answer(call, garbage, CALLER)


def test_a_request_without_secrets_is_taken_as_it_is(seals: FieldEncryption) -> None:
    call = call_of(FILE_CREATE, reply_key=public_text(CALLER), body=b'{ "a": 1 }')
    assert opened(seals, call, b'{ "a": 1 }') == (call, b'{ "a": 1 }')
    assert refusal(seals, call_of(FILE_CREATE), b"{}") is SEAL_BROKEN
