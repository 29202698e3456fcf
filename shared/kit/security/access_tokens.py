"""Verification of access tokens, in auth and in the gateways (RFC 7519, RFC 8037).

The only algorithm is EdDSA with Ed25519, and it is enforced only here.
"""

import binascii
from collections.abc import Mapping
from datetime import timedelta

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.utils import base64url_decode, base64url_encode
from msgspec import Struct

from shared.contracts.account import Claims, Jwks
from shared.contracts.clock import Clock
from shared.contracts.errors import TOKEN_EXPIRED, TOKEN_INVALID, ServiceError

ALGORITHM = "EdDSA"
TOKEN_LENGTH_MAX = 4096
REMEMBERED_MAX = 10_000
LEEWAY = timedelta(seconds=30)
"""The lead that the issuer's clock may have: clocks differ, and may be set back.

It does not extend the expiry.
"""


class _Header(Struct, frozen=True):
    alg: str
    kid: str
    crit: msgspec.Raw | None = None


class _Verified(Struct, frozen=True):
    kid: str
    key: Ed25519PublicKey
    claims: Claims


def public_keys(jwks: Jwks) -> dict[str, Ed25519PublicKey]:
    """Return the Ed25519 signature keys of a `keys.get` answer by their `kid`."""
    keys: dict[str, Ed25519PublicKey] = {}
    for jwk in jwks.keys:
        if (jwk.kty, jwk.crv, jwk.alg, jwk.use) != ("OKP", "Ed25519", ALGORITHM, "sig"):
            continue
        try:
            keys[jwk.kid] = Ed25519PublicKey.from_public_bytes(base64url_decode(jwk.x))
        except ValueError:
            continue
    return keys


class TokenVerifier:
    """Verifies access tokens with the current public keys.

    `keys` maps `kid` to key and is read each time, so its owner may change it in place. Verified tokens are
    cached, with a bound; their expiry is checked each time. Revoked sessions are checked elsewhere.
    """

    def __init__(
        self, keys: Mapping[str, Ed25519PublicKey], issuer: str, audience: str, clock: Clock
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._cache: dict[str, _Verified] = {}

    def verify(self, token: str) -> Claims:
        """Return the claims of a valid token. Raises `token.invalid` or `token.expired`."""
        verified = self._cache.get(token)
        if verified is None or self._keys.get(verified.kid) != verified.key:
            verified = self._check(token)
            self._store(token, verified)
        now = self._clock.now()
        if now.timestamp() >= verified.claims.exp:
            self._cache.pop(token, None)
            raise TOKEN_EXPIRED.exception("The access token has expired.")
        if verified.claims.iat > (now + LEEWAY).timestamp():
            raise _invalid("it was issued in the future")
        return verified.claims

    def _store(self, token: str, verified: _Verified) -> None:
        if len(self._cache) >= REMEMBERED_MAX:
            del self._cache[next(iter(self._cache))]
        self._cache[token] = verified

    def _check(self, token: str) -> _Verified:
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii() or token.count(".") != 2:
            raise _invalid("it is malformed")
        header = _read_header(token)
        key = self._keys.get(header.kid)
        if key is None or header.alg != ALGORITHM or header.crit is not None:
            raise _invalid("it was not signed by a key of this Concord")
        claims = _read_claims(token, key)
        if claims.iss != self._issuer or claims.aud != self._audience:
            raise _invalid("it was made by or for someone else")
        return _Verified(header.kid, key, claims)


def _read_header(token: str) -> _Header:
    try:
        return msgspec.json.decode(base64url_decode(token.partition(".")[0]), type=_Header)
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        raise _invalid("it is malformed") from None


def _read_claims(token: str, key: Ed25519PublicKey) -> Claims:
    signature = token.rpartition(".")[2]
    try:
        payload = jwt.PyJWS().decode_complete(token, key, algorithms=[ALGORITHM])["payload"]
        # Base64 has several encodings of the same bytes; only the canonical one is accepted.
        if base64url_encode(base64url_decode(signature)).decode() != signature:
            raise _invalid("it is malformed")
        return msgspec.json.decode(payload, type=Claims)
    except (jwt.PyJWTError, msgspec.MsgspecError, binascii.Error, ValueError):
        raise _invalid("its signature or its claims do not hold") from None


def _invalid(reason: str) -> ServiceError:
    return TOKEN_INVALID.exception(f"The access token is not valid: {reason}.")
