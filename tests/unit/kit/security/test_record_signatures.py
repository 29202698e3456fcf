"""Signatures: what was signed holds, whatever it is; whatever else is changed in it is found out."""

import hmac
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from shared.kit.security.record_signatures import FORGED, MISPLACED, UNSIGNED, RecordSigner, canonical_bytes
from shared.kit.wire.failure import FAILURE_HEADERS
from shared.kit.wire.headers import SIGNATURE, TOPICS, Headers
from tests.unit.kit.rpc.calls import SECRET, SIGNATURES

NAMES = st.text(st.characters(codec="utf-8"), max_size=5).filter(
    lambda name: name not in {SIGNATURE, TOPICS, *FAILURE_HEADERS}
)
PAIRS = st.lists(st.tuples(NAMES, st.binary(max_size=5)), max_size=4)
RECORDS = st.tuples(
    st.sampled_from(["t", "t2", ""]), st.none() | st.binary(max_size=3), st.binary(max_size=5), PAIRS
)


def fault(
    topic: str, key: bytes | None, body: bytes | None, headers: Headers, with_: RecordSigner = SIGNATURES
) -> str | None:
    return with_.verify(topic, key, body, headers)


@given(st.binary(max_size=9) | st.none(), st.binary(max_size=50), PAIRS)
def test_what_was_signed_holds(key: bytes | None, body: bytes, headers: Headers) -> None:
    signed = [*headers, SIGNATURES.signature("topic", key, body, headers)]
    assert fault("topic", key, body, signed) is None
    assert fault("topic", key, body + b"x", signed) == FORGED
    assert fault("topic2", key, body, signed) == FORGED
    assert fault("topic", key, body, [*signed, ("more", b"")]) == FORGED
    assert fault("topic", key, body, headers) == UNSIGNED


@given(RECORDS, RECORDS)
def test_no_two_records_have_the_same_signature(
    one: tuple[str, bytes | None, bytes, Headers], two: tuple[str, bytes | None, bytes, Headers]
) -> None:
    assert (SIGNATURES.signature(*one) == SIGNATURES.signature(*two)) is (one == two)


@given(st.text(max_size=9), st.text(max_size=9))
def test_a_tag_belongs_to_one_secret_and_one_text(one: str, two: str) -> None:
    [tag] = SIGNATURES.tags("purpose", one)
    assert len(tag) == 32
    assert (SIGNATURES.tags("purpose", two) == [tag]) is (one == two)
    assert SIGNATURES.tags("another purpose", one) != [tag]
    [other] = RecordSigner("another secret").tags("purpose", one)
    assert other != tag
    assert RecordSigner("another secret", SECRET).tags("purpose", one) == [other, tag]


def test_the_form_is_the_documented_one() -> None:
    """So that other programs can sign as well."""
    headers = [("call_id", b"1"), ("deadline", b"22")]
    form = (
        b"\x94"  # an array of four
        b"\xc4\x08keys.get\xc4\x06access\xc4\x02{}"  # bytes, each behind its length
        b"\x92\x92\xa7call_id\xc4\x011\x92\xa8deadline\xc4\x0222"  # an array of pairs of text and bytes
    )
    name, value = SIGNATURES.signature("keys.get", b"access", b"{}", headers)
    # HKDF-SHA256 (RFC 5869) by hand: an empty salt, one block.
    pseudorandom = hmac.digest(bytes(32), SECRET.encode(), "sha256")
    derived = hmac.digest(pseudorandom, b"concord record signature 1\x01", "sha256")
    assert (name, value) == (SIGNATURE, hmac.digest(derived, form, "sha256")[:16].hex().encode())


def test_several_topics_share_a_signature() -> None:
    headers = SIGNATURES.sign("live-events server-events", b"k", b"{}", [("event_id", b"1")])
    record = [("event_id", b"1"), *headers]
    assert fault("live-events", b"k", b"{}", record) is None
    assert fault("server-events", b"k", b"{}", record) is None
    assert fault("user-events", b"k", b"{}", record) == MISPLACED
    for topics in (b"user-events", b"live-events server-events user-events", b"", None):
        moved = [(name, topics if name == TOPICS else value) for name, value in record]
        assert fault("user-events", b"k", b"{}", moved) == FORGED  # type: ignore[arg-type]
    assert SIGNATURES.sign("one", b"k", b"{}", [])[0][0] == SIGNATURE


def test_what_retries_add_is_no_part_of_it() -> None:
    signature = SIGNATURES.signature("facts", b"k", b"{}", [("event_id", b"1")])
    failed = [("event_id", b"1"), signature, *((name, b"\xff") for name in FAILURE_HEADERS)]
    assert fault("facts", b"k", b"{}", failed) is None


def test_a_secret_changes_in_three_steps_without_a_gap() -> None:
    """New ones are accepted first, then signed with, then the old one goes; replicas are a step apart."""
    old, new = SECRET, "another secret, made for the next year"
    steps = [RecordSigner(old), RecordSigner(old, new), RecordSigner(new, old), RecordSigner(new)]
    for one, next_one in pairwise(steps):
        for writer, reader in ((one, next_one), (next_one, one)):
            record = [writer.signature("t", b"k", b"{}", [])]
            assert fault("t", b"k", b"{}", record, reader) is None
    gone = [RecordSigner(old).signature("t", b"k", b"{}", [])]
    assert fault("t", b"k", b"{}", gone, RecordSigner(new)) == FORGED


def test_what_the_other_secret_signed_is_counted() -> None:
    """When it counts no more, nobody needs that secret any longer."""

    def counted() -> float:
        return REGISTRY.get_sample_value("concord_records_by_other_secret_total") or 0.0

    old, both, before = (
        RecordSigner("the secret of before"),
        RecordSigner(SECRET, "the secret of before"),
        counted(),
    )
    for writer, count in ((both, 0), (old, 1), (SIGNATURES, 1), (RecordSigner("of somebody else"), 1)):
        fault("t", b"k", b"{}", [writer.signature("t", b"k", b"{}", [])], both)
        assert counted() - before == count


@pytest.mark.parametrize("value", [b"", b"0" * 32, b"\xff" * 32, "é".encode(), b"x" * 100_000])
def test_garbage_is_no_signature(value: bytes) -> None:
    assert fault("t", b"k", b"{}", [(SIGNATURE, value)]) == FORGED
    good = SIGNATURES.signature("t", b"k", b"{}", [])
    assert fault("t", b"k", b"{}", [good, (SIGNATURE, value)]) == FORGED


def test_a_header_without_a_value_is_no_process_of_ours() -> None:
    good = SIGNATURES.signature("t", b"k", b"{}", [])
    assert fault("t", b"k", b"{}", [("other", None), good]) == FORGED  # type: ignore[list-item]
    assert fault("t", b"k", b"{}", [(SIGNATURE, None)]) == UNSIGNED  # type: ignore[list-item]


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(ValueError, match="secret"):
        RecordSigner("")


@given(st.binary(max_size=2000), st.text(min_size=1, max_size=200).filter(str.isascii))
def test_the_signature_is_the_hmac_of_the_standard_library(body: bytes, secret: str) -> None:
    key = HKDF(SHA256(), 32, salt=None, info=b"concord record signature 1").derive(secret.encode())
    data = canonical_bytes((b"topic", b"key", body, [("h", b"v")]))
    expected = hmac.new(key, data, "sha256").hexdigest()[:32].encode()
    assert RecordSigner(secret).signature("topic", b"key", body, [("h", b"v")]) == (SIGNATURE, expected)
