"""Secrets in bodies: put under seal before a record is written, opened by whom they are for.

Which fields are secret stands in the contract. In a request they are sealed to the service's published key,
in an answer to the key that the request's header `reply_key` names. A seal holds for one operation, one
field and one call; that of a request also for its deadline and its reply key, so that nobody who may write
requests can have it answered to himself.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from msgspec import Raw, structs

from shared.contracts.errors import SEAL_BROKEN, SEAL_KEY_GONE
from shared.contracts.secrets import Sealed
from shared.kit.security.hpke import DecryptionError, public_key, seal, unseal
from shared.kit.wire.call import Call
from shared.kit.wire.headers import DEADLINE

Body = dict[str, Raw]
Change = Callable[[str, Raw], Any]
"""From the path of a secret and what stands there to what is to stand there."""
Pairs = Iterable[tuple[str, bytes]]

_decode = msgspec.json.Decoder(Body).decode
_decode_sealed = msgspec.json.Decoder(Sealed).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_LEFT_OUT = "sealed"
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def seal_request(call: Call, body: bytes, kid: str, key: X25519PublicKey) -> bytes:
    """The body of a request, its secrets sealed to this key of the service."""

    bound_to = str(call.deadline_ms).encode(), (call.reply_key or "").encode()

    def sealed(path: str, raw: Raw) -> Sealed:
        purpose = _purpose(call, "request", path, *bound_to)
        return Sealed(sealed=seal(_decode_text(raw), key, *purpose), key=kid)

    return _changed(body, call.operation.secrets, sealed)


class FieldEncryption:
    """The answering side. It opens nothing until it is told to `use` some keys."""

    def __init__(self) -> None:
        self._keys: Mapping[str, X25519PrivateKey] = {}

    def use(self, keys: Mapping[str, X25519PrivateKey]) -> None:
        """Open with these keys, by their names, from now on."""
        self._keys = dict(keys)

    def open_request(
        self, call: Call, headers: Iterable[tuple[str, bytes]], body: bytes
    ) -> tuple[Call, bytes]:
        """The body with its secrets, and the call with a body that has none: that is what may be stored.

        Raises `seal.key_gone` for a key that is not there (any longer), `seal.broken` for all else that can
        not be opened, and where the answer has secrets that could not be sealed to anybody.
        """
        secrets = call.operation.secrets
        if call.operation.answer_secrets:
            _reply_key(call)
        if not secrets:
            return call, body
        # The deadline as it was written: how we read it may be nearer.
        bound_to = (dict(headers).get(DEADLINE) or b"", (call.reply_key or "").encode())

        def opened(path: str, raw: Raw) -> str:
            return self._open(raw, path, _purpose(call, "request", path, *bound_to))

        try:
            public = _changed(body, secrets, lambda path, raw: _LEFT_OUT)
            plain = _changed(body, secrets, opened)
        except _UNREADABLE:
            return call, body  # whoever reads it next says what is wrong with it
        return structs.replace(call, body=public), plain

    def seal_answer(self, call: Call, body: bytes) -> bytes:
        """The body of an answer, its secrets sealed to the caller. Raises `seal.broken` without its key."""
        key = _reply_key(call)

        def sealed(path: str, raw: Raw) -> Sealed:
            return Sealed(sealed=seal(_decode_text(raw), key, *_purpose(call, "answer", path)))

        return _changed(body, call.operation.answer_secrets, sealed)

    def _open(self, raw: Raw, name: str, purpose: tuple[bytes, ...]) -> str:
        try:
            found = _decode_sealed(raw)
        except _UNREADABLE:
            raise SEAL_BROKEN.exception(f"{name} must be sealed.") from None
        key = self._keys.get(found.key or "")
        if key is None:
            raise SEAL_KEY_GONE.exception(f"{name} is sealed to a key that is not in use.")
        try:
            return unseal(found.sealed, key, *purpose)
        except DecryptionError:
            raise SEAL_BROKEN.exception(f"{name} was not sealed for this call.") from None


def open_answer(call: Call, body: bytes, key: X25519PrivateKey) -> bytes:
    """Return an answer with its secrets opened. Raises DecryptionError if it was sealed for another call."""

    def opened(path: str, raw: Raw) -> str:
        return unseal(_decode_sealed(raw).sealed, key, *_purpose(call, "answer", path))

    try:
        return _changed(body, call.operation.answer_secrets, opened)
    except _UNREADABLE as error:
        raise DecryptionError from error


def _purpose(call: Call, direction: str, path: str, *more: bytes) -> tuple[bytes, ...]:
    texts = (direction, call.operation.name, path, call.call_id)
    return (*(text.encode() for text in texts), *more)


def _changed(body: bytes | Raw, paths: Iterable[str], change: Change) -> bytes:
    """The body with something else at each of these paths that is there; all other bytes stay."""
    fields = _decode(body)
    for path in paths:
        _change(fields, path, path, change)
    return _encode(fields)


def _change(fields: Body, path: str, rest: str, change: Change) -> None:
    name, _, rest = rest.partition(".")
    if name not in fields:
        return
    if rest:
        inner = _decode(fields[name])
        _change(inner, path, rest, change)
        fields[name] = Raw(_encode(inner))
    else:
        fields[name] = Raw(_encode(change(path, fields[name])))


def _reply_key(call: Call) -> X25519PublicKey:
    try:
        return public_key(call.reply_key or "")
    except DecryptionError:
        raise SEAL_BROKEN.exception(
            "The answer has secrets: `reply_key` must be an X25519 public key."
        ) from None
