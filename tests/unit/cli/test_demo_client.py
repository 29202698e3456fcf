"""The demo's client: patient where the limits ask for it, within bounds."""

from http.client import HTTPMessage
from typing import Any

import pytest

from cli.commands.demo_client import Person
from cli.errors import ConcordError

SIGNED_UP = b'{"accessToken": "a", "profile": {"id": "1"}}'
REFUSED = b'{"detail": "These were too many requests."}'


def answers(monkeypatch: pytest.MonkeyPatch, *found: tuple[int, bytes, int]) -> list[float]:
    """Stand in for the gateway; returns what is slept."""
    slept: list[float] = []
    left = list(found)

    def request(*_: Any) -> tuple[int, bytes, HTTPMessage]:
        status, body, retry_after_s = left.pop(0)
        headers = HTTPMessage()
        if retry_after_s:
            headers["Retry-After"] = str(retry_after_s)
        return status, body, headers

    monkeypatch.setattr(Person, "_request", request)
    monkeypatch.setattr("cli.commands.demo_client.time.sleep", slept.append)
    return slept


def sign_up() -> Person:
    return Person("http://localhost:1", "Ada", "ada@example.org", "correct horse battery")


def test_it_waits_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = answers(monkeypatch, (429, REFUSED, 6), (201, SIGNED_UP, 0))
    assert sign_up().profile == {"id": "1"}
    assert slept == [6]


def test_it_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = answers(monkeypatch, (429, REFUSED, 3600))
    with pytest.raises(ConcordError, match="429: These were too many"):
        sign_up()
    assert slept == []


def test_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = answers(monkeypatch, *[(429, REFUSED, 6)] * 9)
    with pytest.raises(ConcordError, match="429"):
        sign_up()
    assert slept == [6, 6, 6]
