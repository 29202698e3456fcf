"""No secret passes the last guard, and ordinary text passes it unchanged."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.telemetry.redaction import TEXT_MAX_CHARS, redact, redact_value

JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f"refused {JWT} at once",
        f"Authorization: Bearer {JWT}",
        "authorization: bearer hunter2abc",
        "Authorization: Basic hunter2abc==",
        "password=hunter2abc",
        'body {"email": "a@b.c", "password": "hunter2abc"}',
        'body {"password":"hunter2abc with \\" a quote hunter2abc"}',
        "{'refresh_token': 'hunter2abc'}",
        '{\\"refreshToken\\": \\"hunter2abc\\"}',
        'cut {"password":"hunter2abc',
        "accessToken: hunter2abc, and more",
        "postgresql://ada:hunter2abc@127.0.0.1:5432/auth",
        "?access_token=hunter2abc&x=1",
        "SECRET=hunter2abc",
        "password = b'hunter2abc'",
        "DETAIL:  Failing row contains (1, ada@example.org, first line\nhunter2abc, \\\\x00).\nMore",
        "GET https://s3.local/b/k?X-Amz-Expires=9&X-Amz-Signature=hunter2abc&x=1 failed",
        '{"url": "https://s3.local/b/k?X-Amz-Security-Token=hunter2abc"}',
        "verified $argon2id$v=19$m=19456,t=2,p=1$hunter2abc$hunter2abc+/ for ada",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    assert "hunter2abc" not in redact(text)
    assert "c2lnbmF0dXJl" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "message.send of 019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f took 3 ms",
        "token.invalid: The session has ended.",
        "http://127.0.0.1:3001/api/docs is up",
        "the password was wrong, see the basic rules",
        "3 tokens were refused",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=8))
def test_a_named_value_never_passes(secret: str) -> None:
    assert secret not in redact(f'{{"password": "{secret}"}}').replace("password", "")


def test_values_by_name_and_inside() -> None:
    value = {"password": 1, "list": [f"Bearer {JWT}"], "n": 3, "deep": {"apiKey": ["x"]}, "raw": b"token=abc"}
    assert redact_value(value) == {
        "password": "***",
        "list": ["Bearer ***"],
        "n": 3,
        "deep": {"apiKey": "***"},
        "raw": "token=***",
    }


@pytest.mark.parametrize(
    "text", ["token" * 40_000, 'password="' + "\\" * 90_000, "a" * 90_000 + "://", "eyJ" * 30_000]
)
def test_no_text_makes_it_slow(text: str) -> None:
    begun = time.process_time()
    assert len(redact(text)) <= TEXT_MAX_CHARS * 2
    assert time.process_time() - begun < 1
