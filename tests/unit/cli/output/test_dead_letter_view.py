"""Dead letters in words show no secret and fit a screen."""

import json

from cli.output.dead_letter_view import page, table
from cli.output.terminal import VALUE_MAX_CHARS, render, secret_names
from tests.unit.kit.dead_letters.test_store import EVENT, letter


def test_no_secret_is_shown() -> None:
    value = b'{"name": "Ada", "password": "hunter2", "deep": [{"refreshToken": "hunter3"}]}'
    headers = (*EVENT, ("x-token", b"hunter4"), ("reason", b"it said password=hunter5"))
    text = "\n".join([*page(letter(value=value, headers=headers)), *table([letter(headers=headers)])])
    assert "Ada" in text
    assert "hunter" not in text


def test_what_is_no_json_is_shown_as_it_is_and_cut() -> None:
    assert render(b"\xff\x00oops") == "\ufffd\\x00oops"
    assert len(render(b"[" * 100_000)) < VALUE_MAX_CHARS + 100


def test_no_letter_steers_the_terminal() -> None:
    evil = "\x1b]0;owned\x07 \x9b2J \u202e \r\x00 line\nbreak".encode()
    names = ("reason", "trace", "dead-letter", "\x1b[2J", "original-topic")
    odd = letter(key=evil, value=b'{"a": "\\ud800\xc2\x9b"}', headers=tuple((name, evil) for name in names))
    lines = [*page(odd), *table([odd])]
    assert all(line.isprintable() for line in lines)
    assert len(list(table([odd]))) == 2
    assert any("\\x1b]0;owned" in line for line in lines)
    assert render(b'"\\ud800"') == '"\\ud800"'


def test_the_states() -> None:
    rows = "\n".join(table([letter(), letter(redriven_at_ms=5), letter(value=None)]))
    for word in ("waiting", "redriven", "kept"):
        assert word in rows


def test_what_the_contract_calls_a_secret_is_hidden_whatever_its_name() -> None:
    assert {"password", "current", "new", "refreshToken"} <= secret_names()
    text = render(b'{"current": "hunter2", "new": "hunter3", "items": [{"current": true, "id": "x"}]}')
    assert "hunter" not in text
    assert '"current": true' in text
    address = "https://s3.example.org/b/k?X-Amz-Expires=900&X-Amz-Signature=hunter2"
    for record in ({"upload": {"url": address}}, {"said": f"see {address}"}, [f"not JSON: {address}"]):
        assert "hunter2" not in render(json.dumps(record).encode())
    assert "hunter2" not in render(f"no JSON: {address}".encode())
