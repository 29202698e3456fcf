"""Signatures of records: nobody who can merely write to Kafka can speak for a process of the mesh.

A signature is HMAC-SHA256 (RFC 2104), its first 16 bytes in hexadecimal (RFC 4868 cuts it as well), over
the record's topic, key, body and headers as MessagePack writes them; the form is laid down in ADR 11. It
stands in the header `signature`. A record that is written to several topics, as events are, names them all
in its header `topics` and is signed for them all at once.

The key is derived from the mesh's secret (HKDF, RFC 5869), so that the secret may serve other ends too.
"""

import hmac
import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.kit.config.settings import ProcessSettings
from shared.kit.telemetry.metrics import records_by_other_secret, records_refused
from shared.kit.wire.failure import FAILURE_HEADERS
from shared.kit.wire.headers import SIGNATURE, TOPICS, Headers

log = logging.getLogger(__name__)

UNSIGNED = "unsigned"
FORGED = "forged"
MISPLACED = "misplaced"
SENTENCES = {
    UNSIGNED: "It is not signed.",
    FORGED: "Its signature is not one of this mesh, or something was changed after it.",
    MISPLACED: "It was signed for another topic.",
}
"""What each fault means."""

_KEY_BYTES = 32
_BLOCK_BYTES = 64
_CUT_CHARS = 32
_PURPOSE = b"concord record signature 1"
# What is not covered: the signature itself, the topics, which come first, and what retries add.
_LEFT_OUT = frozenset({SIGNATURE, TOPICS, *FAILURE_HEADERS})
# Every part has its length before it and numbers their shortest form: no two records are written alike.
_form = msgspec.msgpack.Encoder().encode


class RecordSigner:
    """Signs with one secret, and accepts what is signed with that one or another.

    Raises ValueError for an empty secret.
    """

    def __init__(self, secret: str, also: str = "") -> None:
        if not secret:
            raise ValueError("records can not be signed without a secret")
        self._first = _Hmac(secret)
        self._other = _Hmac(also) if also else None

    def signature(self, topics: str, key: bytes | None, body: bytes, headers: Headers) -> tuple[str, bytes]:
        """The header that signs a record for these topics (separated by spaces)."""
        return SIGNATURE, self._first.of(_form((topics.encode(), key, body, headers)))

    def sign(self, topics: str, key: bytes, body: bytes, headers: Headers) -> Headers:
        """The headers that sign a record: `signature`, and before it `topics` where there are several."""
        named = [(TOPICS, topics.encode())] if " " in topics else []
        return [*named, self.signature(topics, key, body, headers)]

    def tags(self, purpose: str, text: str) -> list[str]:
        """Return keyed tags of a text, of 32 hexadecimal digits: by the first secret, then by the other one.

        No record is written in the same form, so no signature is a tag.
        """
        form = _form((purpose, text))
        return [mac.of(form).decode() for mac in (self._first, self._other) if mac is not None]

    def fault(
        self, topic: str, key: bytes | None, body: bytes | None, headers: Sequence[tuple[str, Any]]
    ) -> str | None:
        """None for a record that was signed for this topic, else `unsigned`, `forged` or `misplaced`."""
        place = topics = topic.encode()
        signature, covered = None, []
        for pair in headers:
            name = pair[0]
            if name not in _LEFT_OUT:
                covered.append(pair)
            elif name == SIGNATURE:
                signature = pair[1]
            elif name == TOPICS:
                topics = pair[1] or b""
        if signature is None:
            return UNSIGNED
        if not self._vouch(_form((topics, key, body or b"", covered)), signature):
            return FORGED
        return None if topics == place or place in topics.split() else MISPLACED

    def _vouch(self, form: bytes, signature: bytes) -> bool:
        if hmac.compare_digest(self._first.of(form), signature):
            return True
        if self._other is None or not hmac.compare_digest(self._other.of(form), signature):
            return False
        records_by_other_secret.inc()
        return True


def signatures_of(settings: ProcessSettings) -> RecordSigner:
    """Those of this mesh. Raises ValueError when no secret is set."""
    return RecordSigner(settings.mesh_secret, settings.mesh_secret_also)


def note_refused(kind: str, topic: str, fault: str) -> None:
    """Count, and say, that a `request`, a `reply` or an `event` was refused."""
    records_refused.labels(kind, fault).inc()
    log.warning("a record of %s was refused: %s", topic, SENTENCES[fault])


class _Hmac:
    """HMAC-SHA256 by its definition, from two hashes that have their part of the key already.

    To copy them costs half of what `hmac.digest` does, and this is done five times for each message sent.
    """

    def __init__(self, secret: str) -> None:
        key = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(secret.encode())
        padded = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded)).copy
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded)).copy

    def of(self, form: bytes) -> bytes:
        """The first half of it, in hexadecimal."""
        inner, outer = self._inner(), self._outer()
        inner.update(form)
        outer.update(inner.digest())
        return outer.hexdigest()[:_CUT_CHARS].encode()
