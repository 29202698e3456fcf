"""Access tokens: JSON Web Tokens (RFC 7519) signed with Ed25519."""

from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from apps.auth.domain.keys import KeyPolicy, KeyRing, TokenTerms
from shared.contracts.account import Claims, Jwk, Jwks
from shared.contracts.clock import Clock, Ids
from shared.kit.security.access_tokens import ALGORITHM, TokenVerifier
from shared.kit.security.hpke import base64url


class JwtAccessTokens:
    """`apps.auth.ports.AccessTokens`. It has no keys until `use` is called."""

    def __init__(self, terms: TokenTerms, policy: KeyPolicy, clock: Clock, ids: Ids) -> None:
        self._terms = terms
        self._policy = policy
        self._clock = clock
        self._ids = ids
        self._ring = KeyRing(())
        self._private: dict[str, Ed25519PrivateKey] = {}
        self._public: dict[str, Ed25519PublicKey] = {}
        self._verifier = TokenVerifier(self._public, terms.issuer, terms.audience, clock)

    @property
    def ttl_s(self) -> int:
        """Life of an access token in seconds."""
        return self._terms.ttl_s

    def use(self, ring: KeyRing) -> None:
        """Sign and verify with these keys from now on."""
        self._ring = ring
        self._private = {key.kid: Ed25519PrivateKey.from_private_bytes(key.private) for key in ring.keys}
        self._public.clear()
        self._public.update((kid, key.public_key()) for kid, key in self._private.items())

    def issue(self, profile_id: UUID, session_id: UUID) -> str:
        """Return a new access token of a session."""
        now = self._clock.now()
        key = self._ring.current(now)
        issued_s = int(now.timestamp())
        claims = {
            "iss": self._terms.issuer,
            "aud": self._terms.audience,
            "sub": str(profile_id),
            "sid": str(session_id),
            "jti": str(self._ids.new()),
            "iat": issued_s,
            "exp": issued_s + self._terms.ttl_s,
        }
        return jwt.encode(claims, self._private[key.kid], algorithm=ALGORITHM, headers={"kid": key.kid})

    def verify(self, token: str) -> Claims:
        """Return the claims of a valid token. Raises `token.invalid` or `token.expired`."""
        return self._verifier.verify(token)

    def published(self) -> Jwks:
        """Return the current public keys, the newest first."""
        keys = self._ring.published(self._policy, self._clock.now())
        return Jwks(keys=[Jwk(kid=key.kid, x=base64url(key.public)) for key in reversed(keys)])
