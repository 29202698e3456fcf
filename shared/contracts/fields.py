"""The kinds of values that bodies, requests and answers are made of.

Each kind carries its bounds (JSON Schema keywords, enforced while decoding), an example for the
documents, and under ``extra["rule"]`` the sentence that a caller reads when the value breaks it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

# In Python `$` also matches before a last line break; with this behind it, it means the end as in JavaScript.
_END = r"$(?!\n)"
# What Python takes for white space. `\s` would be less in JavaScript, and a caller's check another than ours.
_SPACE = r"\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_NOT_BLANK = rf"^[^\u0000]*[^{_SPACE}\u0000][^\u0000]*$"
_NO_NUL = r"^[^\u0000]+$"
# At most 2000 characters between the first and the last one that is no white space.
_TRIMMED_2000 = rf"^[{_SPACE}]*[^{_SPACE}\u0000](?:[^\u0000]{{0,1998}}[^{_SPACE}\u0000])?[{_SPACE}]*$"


def _rule(sentence: str) -> dict[str, str]:
    return {"rule": sentence}


def _secret(sentence: str) -> dict[str, object]:
    """Return the type marked as secret: sealed in Kafka, redacted in logs and traces (secrets.py)."""
    return {"rule": sentence, "secret": True}


Id = Annotated[UUID, Meta(examples=["019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"], extra=_rule("must be a UUID"))]
Time = Annotated[datetime, Meta(tz=True, examples=["2026-05-01T12:00:00Z"])]

ProfileName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        pattern=_NOT_BLANK,
        examples=["Ada"],
        extra=_rule("must be 1 to 32 characters, not only spaces, without NUL"),
    ),
]
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=_NOT_BLANK,
        examples=["Analytical Engine"],
        extra=_rule("must be 1 to 100 characters, not only spaces, without NUL"),
    ),
]
Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=rf"^[^@{_SPACE}{_CONTROL}]+@[^@{_SPACE}{_CONTROL}.]+(\.[^@{_SPACE}{_CONTROL}.]+)+" + _END,
        examples=["ada@example.org"],
        extra=_rule("must be an e-mail address of at most 254 characters"),
    ),
]
Password = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=128,
        examples=["correct horse battery"],
        extra=_secret("must be 8 to 128 characters"),
    ),
]
PasswordAttempt = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        examples=["correct horse battery"],
        extra=_secret("must be 1 to 128 characters"),
    ),
]
Token = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        pattern=_NO_NUL,
        examples=["eyJhbGciOiJFZERTQSJ9.e30.c2ln"],
        extra=_secret("must be a token as it was given"),
    ),
]
ImageUrl = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=rf"^[hH][tT][tT][pP][sS]?://[^{_SPACE}\u0000/?#]+(?:[/?#][^{_SPACE}\u0000]*)?" + _END,
        examples=["https://example.org/ada.png"],
        extra=_rule("must be an http or https URL of at most 2048 characters"),
    ),
]
Content = Annotated[
    str,
    Meta(
        min_length=1,
        pattern=_TRIMMED_2000,
        examples=["Hello, everyone!"],
        extra=_rule("must be 1 to 2000 characters after trimming, without NUL"),
    ),
]
Nonce = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=_NO_NUL,
        examples=["b7e1-42"],
        extra=_rule("must be 1 to 64 characters, without NUL"),
    ),
]
InviteCode = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        pattern=r"^[A-Za-z0-9_-]+" + _END,
        examples=["q3Zk9TfW"],
        extra=_rule("must be an invite code"),
    ),
]
Cursor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=r"^[A-Za-z0-9_-]+" + _END,
        extra=_rule("must be the `next` of an earlier page"),
    ),
]
# No control characters, no folders, nothing that turns the direction of writing around.
_IN_NAME = rf"[^{_CONTROL}/\\\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
FileName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=rf"^(?!\.{{1,2}}{_END})(?![{_SPACE}]*{_END}){_IN_NAME}+{_END}",
        examples=["tea.png"],
        extra=_rule(
            "must be 1 to 255 characters, not only spaces, without slashes, control or direction characters"
        ),
    ),
]
FileSize = Annotated[
    int,
    Meta(ge=1, le=2**40, examples=[48_213], extra=_rule("must be a number of bytes, at least 1")),
]
ContentType = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=127,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*" + _END,
        examples=["image/png"],
        extra=_rule("must be a media type such as image/png, without parameters"),
    ),
]
Sha256 = Annotated[
    str,
    Meta(
        min_length=44,
        max_length=44,
        pattern=r"^[A-Za-z0-9+/]{43}=" + _END,
        examples=["ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="],
        extra=_rule("must be a SHA-256 digest in base64"),
    ),
]
PageLimit = Annotated[int, Meta(ge=1, le=100, examples=[50], extra=_rule("must be a number from 1 to 100"))]
Sequence = Annotated[int, Meta(ge=1, examples=[1])]
Revision = Annotated[int, Meta(ge=0, le=2**63 - 1, examples=[7])]
MaxAgeS = Annotated[
    int, Meta(ge=1, le=31_536_000, examples=[86400], extra=_rule("must be 1 to 31536000 seconds"))
]
MaxUses = Annotated[int, Meta(ge=1, le=100_000, examples=[10], extra=_rule("must be 1 to 100000"))]


class ChannelType(StrEnum):
    """The type of a channel; only TEXT channels have messages."""

    TEXT = "TEXT"
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"


class Role(StrEnum):
    """The role of a member.

    ADMIN: everything. MODERATOR: channels, invites, kicking guests. GUEST: read, write, leave.
    """

    ADMIN = "ADMIN"
    MODERATOR = "MODERATOR"
    GUEST = "GUEST"
