"""Dead letters: their ids, and which of them can be redriven."""

import pytest

from shared.kit.dead_letters.store import DeadLetter, DeadLetterListing
from shared.kit.wire.failure import DEAD_LETTER, TRUNCATED, Origin, redriven

EVENT = (("original-topic", b"server-events"), ("original-partition", b"1"), ("original-offset", b"9"))


def letter(**changes: object) -> DeadLetter:
    values = {
        "service": "message",
        "partition": 0,
        "offset": 17,
        "timestamp_ms": 1,
        "key": b"k",
        "value": b"{}",
        "headers": EVENT,
        "origin": Origin("server-events", 1, 9, 4),
        **changes,
    }
    return DeadLetter(**values)  # type: ignore[arg-type]


def test_an_event_can_be_redriven() -> None:
    assert letter().not_redrivable_reason() is None
    assert letter(value=b"").not_redrivable_reason() is None


def test_its_id_is_its_position() -> None:
    assert letter().id == "message/0/17"
    assert DeadLetterListing((letter(), letter(offset=18))).find("message/0/18") == letter(offset=18)
    assert DeadLetterListing((letter(),)).find("message/0/16") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"origin": Origin("user.signin", 1, 9, 1), "value": b""}, "it may hold secrets"),
        ({"value": None}, "server-events, partition 1, offset 9"),
        ({"key": None, "value": b"", "headers": (*EVENT, (TRUNCATED, b"9"))}, "did not fit"),
        ({"headers": (("original-topic", b"live-events"), ("reason", b"too large"))}, "never reached"),
    ],
)
def test_a_letter_that_cannot_be_redriven_says_why(changes: dict[str, object], words: str) -> None:
    assert words in (letter(**changes).not_redrivable_reason() or "")


def test_own_headers_stay_and_the_last_redrive_counts() -> None:
    kept = [*EVENT, ("signature", b"s"), ("event_id", b"e"), ("bad", b"\xff")]
    headers = [*kept, ("attempt", b"4"), ("reason", b"x"), ("trace", b"y"), (DEAD_LETTER, b"message/0/3")]
    assert redriven(headers) == [*kept, ("attempt", b"0")]
