"""Contents at rest: closed with the first key, opened with any, at home with one message only."""

from base64 import b64encode
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.message.outbound.content_encryption import ContentEncryption, ContentUnreadable
from apps.message.settings import MessageSettings
from shared.kit.config.settings import SettingsError, load
from tests.unit.kit.rpc.calls import SECRET

ONE, TWO = (f"{name}:{b64encode(name.encode() * 32).decode()}" for name in ("a", "b"))
CHANNEL, MESSAGE, OTHER = (UUID(int=number) for number in (1, 2, 3))


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_closed_opens(content: str) -> None:
    contents = ContentEncryption([ONE])
    stored, key = contents.close(CHANNEL, MESSAGE, content)
    assert (key, contents.open(CHANNEL, MESSAGE, stored, key)) == ("a", content)
    assert stored.isascii()


def test_without_keys_contents_are_stored_as_they_are() -> None:
    assert ContentEncryption().close(CHANNEL, MESSAGE, "hello") == ("hello", None)
    assert ContentEncryption([ONE]).open(CHANNEL, MESSAGE, "hello", None) == "hello"


def test_the_same_content_looks_different_each_time() -> None:
    contents = ContentEncryption([ONE])
    assert contents.close(CHANNEL, MESSAGE, "hello") != contents.close(CHANNEL, MESSAGE, "hello")


def test_a_new_first_key_writes_and_the_old_one_still_reads() -> None:
    stored, key = ContentEncryption([ONE]).close(CHANNEL, MESSAGE, "old")
    rotated = ContentEncryption([TWO, ONE])
    assert rotated.open(CHANNEL, MESSAGE, stored, key) == "old"
    assert rotated.close(CHANNEL, MESSAGE, "new")[1] == "b"


def test_a_content_stays_with_its_message_and_its_key() -> None:
    contents = ContentEncryption([ONE, TWO])
    stored, _ = contents.close(CHANNEL, MESSAGE, "hello")
    changed = ("A" if stored[20] != "A" else "B").join((stored[:20], stored[21:]))
    for channel, message, text, key in (
        (CHANNEL, OTHER, stored, "a"),
        (OTHER, MESSAGE, stored, "a"),
        (CHANNEL, MESSAGE, changed, "a"),
        (CHANNEL, MESSAGE, stored[:-4], "a"),
        (CHANNEL, MESSAGE, "", "a"),
        (CHANNEL, MESSAGE, "no base64!", "a"),
        (CHANNEL, MESSAGE, stored, "b"),
        (CHANNEL, MESSAGE, stored, "gone"),
    ):
        with pytest.raises(ContentUnreadable) as raised:
            contents.open(channel, message, text, key)
        assert "hello" not in str(raised.value)


def test_the_fingerprint_of_a_request_does_not_let_its_content_be_guessed() -> None:
    print_, other = (sha256(text).digest() for text in (b"yes", b"no"))
    old, rotated = ContentEncryption([ONE]), ContentEncryption([TWO, ONE])
    mark = old.mark(print_)
    assert mark is not None
    assert mark not in (print_, ContentEncryption([TWO]).mark(print_))
    assert (len(mark), old.mark(None)) == (32, None)
    for contents in (old, rotated, ContentEncryption(["plain", ONE])):
        assert contents.recognise(mark, print_) == print_
        assert contents.recognise(mark, other) is None
        assert contents.recognise(print_, print_) == print_, "stored before there were keys"
        assert contents.recognise(mark, None) is contents.recognise(None, print_) is None
    assert rotated.mark(print_) != mark
    assert (
        ContentEncryption([TWO]).recognise(mark, print_)
        is ContentEncryption().recognise(mark, print_)
        is None
    )
    assert ContentEncryption().mark(print_) == ContentEncryption(["plain", ONE]).mark(print_) == print_


def test_plain_in_the_first_place_reads_and_encrypts_nothing() -> None:
    stored, key = ContentEncryption([ONE]).close(CHANNEL, MESSAGE, "old")
    contents = ContentEncryption(["plain", ONE])
    assert contents.open(CHANNEL, MESSAGE, stored, key) == "old"
    assert contents.close(CHANNEL, MESSAGE, "new") == ("new", None)


URL = {"MESSAGE_DATABASE_URL": "postgresql://m:m@localhost/m", "MESH_SECRET": SECRET}


def test_keys_are_read_from_the_environment_and_not_shown() -> None:
    settings = load(MessageSettings, URL | {"MESSAGE_CONTENT_KEYS": f"{TWO}, {ONE}"})
    assert ContentEncryption(settings.message_content_keys).close(CHANNEL, MESSAGE, "x")[1] == "b"
    assert ONE not in repr(settings)
    assert load(MessageSettings, URL).message_content_keys == ()


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "a:hunter2",
        "a:" + "A" * 43,
        "a:" + "A" * 44,
        ":" + "A" * 43 + "=",
        f"{ONE},{ONE}",
        f"{ONE},plain",
        "a b:" + ONE[2:],
    ],
)
def test_what_is_no_key_is_refused_at_start(value: str) -> None:
    with pytest.raises(SettingsError, match="MESSAGE_CONTENT_KEYS") as raised:
        load(MessageSettings, URL | {"MESSAGE_CONTENT_KEYS": value})
    assert "hunter2" not in str(raised.value)
    assert "AAAA" not in str(raised.value)
