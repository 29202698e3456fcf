"""The bounds of the field types, at their edges."""

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import fields
from shared.contracts.errors import ServiceError
from shared.contracts.message import SendMessageBody
from shared.contracts.validation import decode_body


def is_good(kind: Any, value: object) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except msgspec.ValidationError:
        return False
    return True


CONTENTS = [
    ("", False),
    (" ", False),
    (" \t\n\u00a0\u2003", False),
    ("a", True),
    (" a ", True),
    ("\na\n", True),
    ("a" * 2000, True),
    ("a" * 2001, False),
    (" " * 3000 + "a" * 2000 + "\n" * 3000, True),
    (" " + "a" * 2001, False),
    ("a" + " " * 1998 + "b", True),
    ("a" + " " * 1999 + "b", False),
    ("a\0", False),
    ("\0", False),
    ("a\0b", False),
    ("\0a", False),
    ("a \0", False),
    ("😀" * 2000, True),
    ("😀" * 2001, False),
    ("é\u0301\u200d", True),
    ("line\nline", True),
    ("\u2028\u2029\x85", False),
    ("\x1f", False),
    ("\x01", True),
]


def test_content() -> None:
    offenders = [
        f"{content[:40]!r} of {len(content)} characters"
        for content, good in CONTENTS
        if is_good(fields.Content, content) is not good
    ]
    assert offenders == []


@given(st.text(max_size=30) | st.text(alphabet=" \n\0a", max_size=30))
def test_content_is_what_trimming_leaves(content: str) -> None:
    assert is_good(fields.Content, content) is (1 <= len(content.strip()) <= 2000 and "\0" not in content)


@pytest.mark.parametrize(
    "raw", [rb'{"content":"\ud800"}', rb'{"content":"\udc00a"}', rb'{"content":"\ud800\ud800"}']
)
def test_lone_surrogates_are_refused(raw: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        decode_body(raw, SendMessageBody)
    assert caught.value.code.status == 400


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert decode_body(rb'{"content":"\ud83d\ude00"}', SendMessageBody).content == "😀"


BOUNDS: list[tuple[Any, object, bool]] = [
    (fields.Name, "a" * 100, True),
    (fields.Name, "a" * 101, False),
    (fields.Name, "  ", False),
    (fields.Name, "", False),
    (fields.Name, "a\0", False),
    (fields.ProfileName, "a" * 32, True),
    (fields.ProfileName, "a" * 33, False),
    (fields.Password, "a" * 7, False),
    (fields.Password, "a" * 8, True),
    (fields.Password, "a" * 128, True),
    (fields.Password, "a" * 129, False),
    (fields.PasswordAttempt, "a", True),
    (fields.Email, "ada@example.org", True),
    (fields.Email, "a@b.c", True),
    (fields.Email, "Ada+x@EXAMPLE.co.uk", True),
    (fields.Email, "ada@example.org\n", False),
    (fields.Email, "a\x1bda@example.org", False),
    (fields.Email, "ada@exam\x7fple.org", False),
    (fields.Email, "ada@example.o\x9frg", False),
    (fields.Email, "\x01@example.org", False),
    (fields.Email, "ada@example", False),
    (fields.Email, "ada@example.", False),
    (fields.Email, "ada@.org", False),
    (fields.Email, "@example.org", False),
    (fields.Email, "a da@example.org", False),
    (fields.Email, "ada@ada@example.org", False),
    (fields.Email, "a" * 242 + "@example.org", True),
    (fields.Email, "a" * 243 + "@example.org", False),
    (fields.ImageUrl, "https://example.org/ada.png?x=1#y", True),
    (fields.ImageUrl, "HTTP://example.org", True),
    (fields.ImageUrl, "https://example.org\n", False),
    (fields.ImageUrl, "javascript:alert(1)", False),
    (fields.ImageUrl, "data:image/png;base64,AA", False),
    (fields.ImageUrl, "ftp://example.org", False),
    (fields.ImageUrl, "//example.org", False),
    (fields.ImageUrl, "https://", False),
    (fields.ImageUrl, "https://a b", False),
    (fields.ImageUrl, "https://example.org?x=1", True),
    (fields.ImageUrl, "https://example.org#y", True),
    (fields.ImageUrl, "https:///ada.png", False),
    (fields.ImageUrl, "https://a/b c", False),
    (fields.ImageUrl, "https://a/" + "b" * 2038, True),
    (fields.ImageUrl, "https://a/" + "b" * 2039, False),
    (fields.Nonce, "a" * 64, True),
    (fields.Nonce, "a" * 65, False),
    (fields.Nonce, "", False),
    (fields.Nonce, "a\0", False),
    (fields.InviteCode, "q3Zk9TfW", True),
    (fields.InviteCode, "q3Zk9TfW\n", False),
    (fields.InviteCode, "a/b", False),
    (fields.Cursor, "MDE5\n", False),
    (fields.PageLimit, 0, False),
    (fields.PageLimit, 1, True),
    (fields.PageLimit, 100, True),
    (fields.PageLimit, 101, False),
    (fields.MaxAgeS, 31_536_000, True),
    (fields.MaxAgeS, 31_536_001, False),
    (fields.MaxUses, 0, False),
    (fields.MaxUses, 100_000, True),
    (fields.Id, "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f", True),
    (fields.Id, "019A4C5E-7B1A-7C3D-9E2F-1A2B3C4D5E6F", True),
    (fields.Id, "00000000-0000-4000-8000-000000000000", True),
    (fields.Id, "019a4c5e", False),
    (fields.Id, 1, False),
    (fields.Time, "2026-05-01T12:00:00Z", True),
    (fields.Time, "2026-05-01T12:00:00", False),
]


def test_bounds() -> None:
    offenders = [
        f"{value!r:.60} is {'rejected' if good else 'accepted'} by {kind}"
        for kind, value, good in BOUNDS
        if is_good(kind, value) is not good
    ]
    assert offenders == []


def test_no_address_of_an_image_takes_long_to_refuse() -> None:
    begun = time.process_time()
    for _ in range(20):
        assert not is_good(fields.ImageUrl, "http://" + "a" * 2030 + " ")
    assert time.process_time() - begun < 0.1


def test_every_bounded_kind_says_its_rule() -> None:
    kinds = {name: kind for name, kind in vars(fields).items() if hasattr(kind, "__metadata__")}
    silent = {name for name, kind in kinds.items() if not (kind.__metadata__[0].extra or {}).get("rule")}
    assert silent == {"Time", "Sequence", "Revision"}
    assert len(kinds) > 15
