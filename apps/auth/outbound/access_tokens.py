"""Access tokens: JSON Web Tokens, signed with Ed25519 by the key whose turn it is."""

from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from apps.auth.domain.keys import KeyPolicy, KeyRing, TokenTerms
from shared.contracts.account import Claims, Jwk, Jwks
from shared.contracts.clock import Clock, Ids
from shared.kit.security.access_tokens import ALGORITHM, TokenVerifier
from shared.kit.security.hpke import base64url


class JwtAccessTokens:
    """Signs and checks access tokens. It knows no keys until it is told to `use` some."""

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
        """How long an access token lives."""
        return self._terms.ttl_s

    def use(self, ring: KeyRing) -> None:
        """Sign and check with these keys from now on."""
        self._ring = ring
        self._private = {key.kid: Ed25519PrivateKey.from_private_bytes(key.private) for key in ring.keys}
        self._public.clear()
        self._public.update((kid, key.public_key()) for kid, key in self._private.items())

    def issue(self, profile_id: UUID, session_id: UUID) -> str:
        """A new access token of a session."""
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
        """The claims of a token that holds. Raises `token.invalid` or `token.expired`."""
        return self._verifier.verify(token)

    def published(self) -> Jwks:
        """The public keys of now, the newest first."""
        keys = self._ring.published(self._policy, self._clock.now())
        return Jwks(keys=[Jwk(kid=key.kid, x=base64url(key.public)) for key in reversed(keys)])
