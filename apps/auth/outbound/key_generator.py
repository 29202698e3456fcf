"""Generation of key pairs. The `kid` is the thumbprint of the public key (RFC 7638)."""

from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from apps.auth.domain.keys import KeyPair
from shared.kit.security.hpke import base64url


class Ed25519KeyGenerator:
    """`apps.auth.ports.KeyGenerator` of the keys that sign access tokens."""

    def new(self, number: int, created_at: datetime, used_from: datetime) -> KeyPair:
        """Return a new key pair."""
        return _pair(Ed25519PrivateKey.generate(), "Ed25519", number, created_at, used_from)


class X25519KeyGenerator:
    """`apps.auth.ports.KeyGenerator` of the keys that secrets are sealed to."""

    def new(self, number: int, created_at: datetime, used_from: datetime) -> KeyPair:
        """Return a new key pair."""
        return _pair(X25519PrivateKey.generate(), "X25519", number, created_at, used_from)


def thumbprint(public: bytes, curve: str = "Ed25519") -> str:
    """Return the thumbprint of a public key as base64url (RFC 7638, RFC 8037)."""
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
