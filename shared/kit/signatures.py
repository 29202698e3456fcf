"""Signatures of records: nobody who can merely write to Kafka can speak for a process of the mesh.

A signature is HMAC-SHA256 (RFC 2104), its first 16 bytes in hexadecimal (RFC 4868 cuts it as well), over
the record's topic, key, headers and body, each with its length; the form is laid down in ADR 11. It stands
in the header `signature`. A record that is written to several topics, as events are, names them all in its
header `topics` and is signed for them all at once.

The key is derived from the mesh's secret (HKDF, RFC 5869), so that the secret may serve other ends too.
"""

import hmac
import logging
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.kit.failure_headers import FAILURE_HEADERS
from shared.kit.meters import records_refused
from shared.kit.settings import MeshSettings
from shared.kit.wire import SIGNATURE, TOPICS, Headers

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
_CUT_BYTES = 16
_PURPOSE = b"concord record signature 1"
# What is not covered: the signature itself, the topics, which come first, and what retries add.
_LEFT_OUT = frozenset({SIGNATURE, TOPICS, *FAILURE_HEADERS})
_PACKS = [struct.Struct(f">{count}I").pack for count in range(24)]


class Signatures:
    """Signs with one secret, and accepts what is signed with that one or another.

    Raises ValueError for an empty secret.
    """

    def __init__(self, secret: str, also: str = "") -> None:
        if not secret:
            raise ValueError("records can not be signed without a secret")
        # An HMAC that was given its key is copied for each record: half the cost of giving it each time.
        self._macs = [_keyed(text) for text in (secret, also) if text]

    def signature(self, topics: str, key: bytes | None, body: bytes, headers: Headers) -> tuple[str, bytes]:
        """The header that signs a record for these topics (separated by spaces)."""
        form = _canonical(topics.encode(), key, body, headers)
        return SIGNATURE, _signed(self._macs[0], form)

    def sign(self, topics: str, key: bytes, body: bytes, headers: Headers) -> Headers:
        """The headers that sign a record: `signature`, and before it `topics` where there are several."""
        named = [(TOPICS, topics.encode())] if " " in topics else []
        return [*named, self.signature(topics, key, body, headers)]

    def fault(
        self, topic: str, key: bytes | None, body: bytes | None, headers: Sequence[tuple[str, Any]]
    ) -> str | None:
        """None for a record that was signed for this topic, else `unsigned`, `forged` or `misplaced`."""
        signature, topics = None, topic.encode()
        covered = []
        for pair in headers:
            if pair[0] not in _LEFT_OUT:
                covered.append(pair)
            elif pair[0] == SIGNATURE:
                signature = pair[1]
            elif pair[0] == TOPICS:
                topics = pair[1] or b""
        if signature is None:
            return UNSIGNED
        try:
            form = _canonical(topics, key, body or b"", covered)
        except (TypeError, ValueError):  # a header without a value: no process of the mesh writes one
            return FORGED
        if not any(hmac.compare_digest(_signed(mac, form), signature) for mac in self._macs):
            return FORGED
        return None if topic.encode() in topics.split() else MISPLACED


def signatures_of(settings: MeshSettings) -> Signatures:
    """Those of this mesh. Raises ValueError when no secret is set."""
    return Signatures(settings.mesh_secret, settings.mesh_secret_also)


def note_refused(kind: str, topic: str, fault: str) -> None:
    """Count, and say, that a `request`, a `reply` or an `event` was refused."""
    records_refused.labels(kind, fault).inc()
    log.warning("a record of %s was refused: %s", topic, SENTENCES[fault])


def _keyed(secret: str) -> hmac.HMAC:
    derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(secret.encode())
    return hmac.new(derived, digestmod="sha256")


def _signed(keyed: hmac.HMAC, form: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(form)
    return mac.digest()[:_CUT_BYTES].hex().encode()


def _canonical(topics: bytes, key: bytes | None, body: bytes, headers: Iterable[tuple[str, bytes]]) -> bytes:
    """How many parts, how long each is, and the parts; no two records have the same form.

    The names of headers are one part, joined by NUL, which is in no name that we write.
    """
    names, values = [], []
    for name, value in headers:
        names.append(name)
        values.append(value)
    parts = (topics, key or b"", "\0".join(names).encode(), *values, body)
    count = len(parts)
    pack = _PACKS[count + 1] if count + 1 < len(_PACKS) else struct.Struct(f">{count + 1}I").pack
    return pack(count, *map(len, parts)) + b"".join(parts)
