"""Sealing a text: it opens with its key, for its purpose, whole; with nothing else."""

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.security.hpke import (
    DecryptionError,
    base64url,
    from_base64url,
    public_key,
    public_text,
    seal,
    unseal,
)
from tests.unit.kit.rpc.calls import SMALL_ORDER

KEY = X25519PrivateKey.generate()
TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


@given(TEXTS, st.lists(st.binary(max_size=9), max_size=3))
def test_what_is_sealed_opens(text: str, purpose: list[bytes]) -> None:
    assert unseal(seal(text, KEY.public_key(), *purpose), KEY, *purpose) == text


@given(st.lists(st.binary(max_size=3), max_size=3), st.lists(st.binary(max_size=3), max_size=3))
def test_it_opens_for_its_purpose_only(one: list[bytes], other: list[bytes]) -> None:
    sealed = seal("a", KEY.public_key(), *one)
    if one == other:
        assert unseal(sealed, KEY, *other) == "a"
    else:
        with pytest.raises(DecryptionError):
            unseal(sealed, KEY, *other)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(DecryptionError):
        unseal(seal("a", KEY.public_key()), X25519PrivateKey.generate())


def test_the_same_text_looks_different_each_time_and_its_length_does_not_show() -> None:
    sealed = [seal("x" * length, KEY.public_key()) for length in (0, 1, 8, 63, 8)]
    assert len(set(sealed)) == 5
    assert len({len(text) for text in sealed}) == 1
    assert len(seal("x" * 64, KEY.public_key())) > len(sealed[0])


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "A",
        "AA",
        "====",
        "%%%%",
        "é",
        "AA==",
        secrets.token_urlsafe(80),
        secrets.token_urlsafe(100_000),
        "\0",
    ],
)
def test_garbage_is_not_opened(garbage: str) -> None:
    with pytest.raises(DecryptionError):
        unseal(garbage, KEY)


def test_a_changed_byte_is_found_out() -> None:
    raw = bytearray(from_base64url(seal("a", KEY.public_key())))
    for place in range(len(raw)):
        changed = bytes(byte ^ (number == place) for number, byte in enumerate(raw))
        with pytest.raises(DecryptionError):
            unseal(base64url(changed), KEY)


def test_a_public_key_is_read_back_and_nothing_else_is_one() -> None:
    assert public_key(public_text(KEY)).public_bytes_raw() == KEY.public_key().public_bytes_raw()
    for text in ("", "AAAA", public_text(KEY)[:-1], public_text(KEY) + "A", public_text(KEY) + "=", "*" * 43):
        with pytest.raises(DecryptionError):
            public_key(text)


@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_a_point_of_small_order_is_no_key_and_opens_nothing(point: bytes) -> None:
    """With it the secret that both sides agree on is the same for everybody."""
    with pytest.raises(DecryptionError):
        public_key(base64url(point))
    with pytest.raises(DecryptionError):
        unseal(base64url(point + secrets.token_bytes(80)), KEY)
