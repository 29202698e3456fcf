"""Contents at rest: encrypted with the first key, decrypted with any, bound to one message."""

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
def test_an_encrypted_content_is_decrypted(content: str) -> None:
    contents = ContentEncryption([ONE])
    stored, key = contents.encrypt(CHANNEL, MESSAGE, content)
    assert (key, contents.decrypt(CHANNEL, MESSAGE, stored, key)) == ("a", content)
    assert stored.isascii()


def test_without_keys_contents_are_stored_as_they_are() -> None:
    assert ContentEncryption().encrypt(CHANNEL, MESSAGE, "hello") == ("hello", None)
    assert ContentEncryption([ONE]).decrypt(CHANNEL, MESSAGE, "hello", None) == "hello"


def test_the_same_content_looks_different_each_time() -> None:
    contents = ContentEncryption([ONE])
    assert contents.encrypt(CHANNEL, MESSAGE, "hello") != contents.encrypt(CHANNEL, MESSAGE, "hello")


def test_a_new_first_key_writes_and_the_old_one_still_reads() -> None:
    stored, key = ContentEncryption([ONE]).encrypt(CHANNEL, MESSAGE, "old")
    rotated = ContentEncryption([TWO, ONE])
    assert rotated.decrypt(CHANNEL, MESSAGE, stored, key) == "old"
    assert rotated.encrypt(CHANNEL, MESSAGE, "new")[1] == "b"


def test_a_content_stays_with_its_message_and_its_key() -> None:
    contents = ContentEncryption([ONE, TWO])
    stored, _ = contents.encrypt(CHANNEL, MESSAGE, "hello")
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
            contents.decrypt(channel, message, text, key)
        assert "hello" not in str(raised.value)


def test_a_stored_fingerprint_does_not_reveal_the_content() -> None:
    fingerprint, other = (sha256(text).digest() for text in (b"yes", b"no"))
    one, two, rotated = ContentEncryption([ONE]), ContentEncryption([TWO]), ContentEncryption([TWO, ONE])
    none, plain = ContentEncryption(), ContentEncryption(["plain", ONE])
    stored = one.protect_fingerprint(fingerprint)
    assert stored is not None
    assert stored not in (fingerprint, two.protect_fingerprint(fingerprint))
    assert (len(stored), one.protect_fingerprint(None)) == (32, None)
    for contents in (one, rotated, plain):
        recognize = contents.recognize_fingerprint
        assert recognize(stored, fingerprint) == fingerprint
        assert recognize(stored, other) is None
        assert recognize(fingerprint, fingerprint) == fingerprint, "stored before the first key was set"
        assert recognize(stored, None) is recognize(None, fingerprint) is None
    assert rotated.protect_fingerprint(fingerprint) != stored
    assert two.recognize_fingerprint(stored, fingerprint) is None
    assert none.recognize_fingerprint(stored, fingerprint) is None
    assert none.protect_fingerprint(fingerprint) == plain.protect_fingerprint(fingerprint) == fingerprint


def test_with_plain_first_contents_are_decrypted_and_not_encrypted() -> None:
    stored, key = ContentEncryption([ONE]).encrypt(CHANNEL, MESSAGE, "old")
    contents = ContentEncryption(["plain", ONE])
    assert contents.decrypt(CHANNEL, MESSAGE, stored, key) == "old"
    assert contents.encrypt(CHANNEL, MESSAGE, "new") == ("new", None)


URL = {"MESSAGE_DATABASE_URL": "postgresql://m:m@localhost/m", "MESH_SECRET": SECRET}


def test_keys_come_from_the_environment_and_are_not_printed() -> None:
    settings = load(MessageSettings, URL | {"MESSAGE_CONTENT_KEYS": f"{TWO}, {ONE}"})
    assert ContentEncryption(settings.message_content_keys).encrypt(CHANNEL, MESSAGE, "x")[1] == "b"
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
def test_a_malformed_key_is_rejected_at_start(value: str) -> None:
    with pytest.raises(SettingsError, match="MESSAGE_CONTENT_KEYS") as raised:
        load(MessageSettings, URL | {"MESSAGE_CONTENT_KEYS": value})
    assert "hunter2" not in str(raised.value)
    assert "AAAA" not in str(raised.value)
