"""Access tokens: how auth and the gateways check them (RFC 7519, RFC 8037).

One algorithm, EdDSA with Ed25519, and one place where it is enforced.
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
"""How far the clock of the one who issued may be ahead: clocks differ, and are set back under way.

There is none for the expiry.
"""


class _Header(Struct, frozen=True):
    alg: str
    kid: str
    crit: msgspec.Raw | None = None


class _Known(Struct, frozen=True):
    kid: str
    key: Ed25519PublicKey
    claims: Claims


def public_keys(jwks: Jwks) -> dict[str, Ed25519PublicKey]:
    """The keys of a `keys.get` answer by their `kid`; what is no Ed25519 signature key is left out."""
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
    """Checks access tokens against the public keys of the moment.

    `keys` maps `kid` to key and is looked at anew each time, so its owner may change it in place.
    The signature of a token that was good is remembered (bounded); its expiry is checked every time.
    Whether its session has been ended is not known here.
    """

    def __init__(
        self, keys: Mapping[str, Ed25519PublicKey], issuer: str, audience: str, clock: Clock
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def verify(self, token: str) -> Claims:
        """The claims of a token that holds. Raises `token.invalid` or `token.expired`."""
        known = self._known.get(token)
        if known is None or self._keys.get(known.kid) != known.key:
            known = self._check(token)
            self._remember(token, known)
        now = self._clock.now()
        if now.timestamp() >= known.claims.exp:
            self._known.pop(token, None)
            raise TOKEN_EXPIRED.exception("The access token has expired.")
        if known.claims.iat > (now + LEEWAY).timestamp():
            raise _invalid("it was issued in the future")
        return known.claims

    def _remember(self, token: str, known: _Known) -> None:
        if len(self._known) >= REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        self._known[token] = known

    def _check(self, token: str) -> _Known:
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii() or token.count(".") != 2:
            raise _invalid("it is malformed")
        header = _read_header(token)
        key = self._keys.get(header.kid)
        if key is None or header.alg != ALGORITHM or header.crit is not None:
            raise _invalid("it was not signed by a key of this Concord")
        claims = _read_claims(token, key)
        if claims.iss != self._issuer or claims.aud != self._audience:
            raise _invalid("it was made by or for someone else")
        return _Known(header.kid, key, claims)


def _read_header(token: str) -> _Header:
    try:
        return msgspec.json.decode(base64url_decode(token.partition(".")[0]), type=_Header)
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        raise _invalid("it is malformed") from None


def _read_claims(token: str, key: Ed25519PublicKey) -> Claims:
    signature = token.rpartition(".")[2]
    try:
        payload = jwt.PyJWS().decode_complete(token, key, algorithms=[ALGORITHM])["payload"]
        # Base64 has spellings to spare; only the one that was given is taken.
        if base64url_encode(base64url_decode(signature)).decode() != signature:
            raise _invalid("it is malformed")
        return msgspec.json.decode(payload, type=Claims)
    except (jwt.PyJWTError, msgspec.MsgspecError, binascii.Error, ValueError):
        raise _invalid("its signature or its claims do not hold") from None


def _invalid(reason: str) -> ServiceError:
    return TOKEN_INVALID.exception(f"The access token is not valid: {reason}.")
