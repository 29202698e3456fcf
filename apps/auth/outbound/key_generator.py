"""New key pairs, from the system's source of randomness. The `kid` is the thumbprint (RFC 7638)."""

from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from apps.auth.domain.keys import KeyPair
from shared.kit.security.hpke import base64url


class Ed25519KeyGenerator:
    """Makes key pairs that access tokens are signed with."""

    def new(self, number: int, created_at: datetime, used_from: datetime) -> KeyPair:
        """A fresh pair."""
        return _pair(Ed25519PrivateKey.generate(), "Ed25519", number, created_at, used_from)


class X25519KeyGenerator:
    """Makes key pairs that secrets are sealed to."""

    def new(self, number: int, created_at: datetime, used_from: datetime) -> KeyPair:
        """A fresh pair."""
        return _pair(X25519PrivateKey.generate(), "X25519", number, created_at, used_from)


def thumbprint(public: bytes, curve: str = "Ed25519") -> str:
    """The name that follows from a public key (RFC 7638, RFC 8037)."""
    members = f'{{"crv":"{curve}","kty":"OKP","x":"{base64url(public)}"}}'
    return base64url(sha256(members.encode()).digest())


def _pair(
    private: Ed25519PrivateKey | X25519PrivateKey,
    curve: str,
    number: int,
    created_at: datetime,
    used_from: datetime,
) -> KeyPair:
    public = private.public_key().public_bytes_raw()
    return KeyPair(
        number=number,
        kid=thumbprint(public, curve),
        private=private.private_bytes_raw(),
        public=public,
        created_at=created_at,
        used_from=used_from,
    )
