"""Secret fields in bodies: sealed before a record is written, opened by the recipient only.

The contract declares which fields are secret. In a request they are sealed to the service's published key, in
an answer to the key in the request's header `reply_key`. A sealed field is bound to one operation, field and
call; in a request also to the deadline and the reply key, so that someone who may write requests cannot have
the answer sent to another process.
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
Replacement = Callable[[str, Raw], Any]
"""Returns the new value for the path and the value of a secret."""
Pairs = Iterable[tuple[str, bytes]]

_decode = msgspec.json.Decoder(Body).decode
_decode_sealed = msgspec.json.Decoder(Sealed).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
REDACTED = "sealed"
"""Replaces a secret in the part of a request that may be stored."""
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def seal_request(call: Call, body: bytes, kid: str, key: X25519PublicKey) -> bytes:
    """Return the body of a request with its secrets sealed to this key of the service."""
    bound_to = str(call.deadline_ms).encode(), (call.reply_key or "").encode()

    def sealed(path: str, raw: Raw) -> Sealed:
        info = _info(call, "request", path, *bound_to)
        return Sealed(sealed=seal(_decode_text(raw), key, *info), key=kid)

    return _replace_fields(_decode(body), call.operation.secrets, sealed)


class FieldEncryption:
    """Opens requests and seals answers of a service. It opens nothing before `use` is called."""

    def __init__(self) -> None:
        self._keys: Mapping[str, X25519PrivateKey] = {}

    def use(self, keys: Mapping[str, X25519PrivateKey]) -> None:
        """Open requests with these private keys, by key id, from now on."""
        self._keys = dict(keys)

    def open_request(
        self, call: Call, headers: Iterable[tuple[str, bytes]], body: bytes
    ) -> tuple[Call, bytes]:
        """Return the call with a redacted body, which may be stored, and the body with its secrets opened.

        Raises `seal.key_gone` for a key that is not in use (any longer), and `seal.broken` for a secret that
        cannot be opened otherwise, or if the answer has secrets and there is no valid reply key.
        """
        secrets = call.operation.secrets
        if call.operation.answer_secrets:
            _reply_key(call)
        if not secrets:
            return call, body
        # The deadline as written in the header: that of `call` may be earlier.
        bound_to = (dict(headers).get(DEADLINE) or b"", (call.reply_key or "").encode())

        def opened(path: str, raw: Raw) -> str:
            return self._open(raw, path, _info(call, "request", path, *bound_to))

        try:
            fields = _decode(body)
            redacted = _replace_fields(fields, secrets, lambda path, raw: REDACTED)
            plain = _replace_fields(fields, secrets, opened)
        except _UNREADABLE:
            return call, body  # the decoder of the request reports what is invalid
        return structs.replace(call, body=redacted), plain

    def seal_answer(self, call: Call, body: bytes) -> bytes:
        """Return an answer with its secrets sealed to its caller. Raises `seal.broken`."""
        key = _reply_key(call)

        def sealed(path: str, raw: Raw) -> Sealed:
            return Sealed(sealed=seal(_decode_text(raw), key, *_info(call, "answer", path)))

        return _replace_fields(_decode(body), call.operation.answer_secrets, sealed)

    def _open(self, raw: Raw, name: str, info: tuple[bytes, ...]) -> str:
        try:
            value = _decode_sealed(raw)
        except _UNREADABLE:
            raise SEAL_BROKEN.exception(f"{name} must be sealed.") from None
        key = self._keys.get(value.key or "")
        if key is None:
            raise SEAL_KEY_GONE.exception(f"{name} is sealed to a key that is not in use.")
        try:
            return unseal(value.sealed, key, *info)
        except DecryptionError:
            raise SEAL_BROKEN.exception(f"{name} was not sealed for this call.") from None


def open_answer(call: Call, body: bytes, key: X25519PrivateKey) -> bytes:
    """Return an answer with its secrets opened. Raises DecryptionError if it was sealed for another call."""

    def opened(path: str, raw: Raw) -> str:
        return unseal(_decode_sealed(raw).sealed, key, *_info(call, "answer", path))

    try:
        return _replace_fields(_decode(body), call.operation.answer_secrets, opened)
    except _UNREADABLE as error:
        raise DecryptionError from error


def _info(call: Call, direction: str, path: str, *more: bytes) -> tuple[bytes, ...]:
    texts = (direction, call.operation.name, path, call.call_id)
    return (*(text.encode() for text in texts), *more)


def _replace_fields(fields: Body, paths: Iterable[str], replacement: Replacement) -> bytes:
    """Encode a body with the value at each path that exists replaced; keep all other values verbatim."""
    replaced = dict(fields)
    for path in paths:
        _replace(replaced, path, path, replacement)
    return _encode(replaced)


def _replace(fields: Body, path: str, rest: str, replacement: Replacement) -> None:
    name, _, rest = rest.partition(".")
    if name not in fields:
        return
    if rest:
        inner = _decode(fields[name])
        _replace(inner, path, rest, replacement)
        fields[name] = Raw(_encode(inner))
    else:
        fields[name] = Raw(_encode(replacement(path, fields[name])))


def _reply_key(call: Call) -> X25519PublicKey:
    try:
        return public_key(call.reply_key or "")
    except DecryptionError:
        raise SEAL_BROKEN.exception(
            "The answer has secrets: `reply_key` must be an X25519 public key."
        ) from None
