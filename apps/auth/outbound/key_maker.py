"""New Ed25519 key pairs."""

from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.auth.domain.signing_key import SigningKey


class Ed25519KeyMaker:
    """Makes key pairs from the system's source of randomness; the `kid` is the thumbprint (RFC 7638)."""

    def new(self, number: int, created_at: datetime, signs_from: datetime) -> SigningKey:
        """A fresh pair."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        return SigningKey(
            number=number,
            kid=thumbprint(public),
            private=private.private_bytes_raw(),
            public=public,
            created_at=created_at,
            signs_from=signs_from,
        )


def base64url(raw: bytes) -> str:
    """Base64 for URLs, without padding (RFC 7515)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def thumbprint(public: bytes) -> str:
    """The name that follows from a public key (RFC 7638, RFC 8037)."""
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{base64url(public)}"}}'
    return base64url(sha256(members.encode()).digest())
