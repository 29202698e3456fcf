"""The keys that passwords and tokens in Kafka are sealed to (HPKE)."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from apps.auth.domain.keys import KeyPolicy, KeyRing
from shared.contracts.account import Jwk, Jwks
from shared.contracts.clock import Clock
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.hpke import ALGORITHM, base64url


class SealingKeys:
    """`apps.auth.ports.Sealing`: passes the stored keys on to the decryption of requests."""

    def __init__(self, encryption: FieldEncryption, policy: KeyPolicy, clock: Clock) -> None:
        self._encryption = encryption
        self._policy = policy
        self._clock = clock
        self._ring = KeyRing(())

    def use(self, ring: KeyRing) -> None:
        """Open secrets with these keys from now on."""
        self._ring = ring
        self._encryption.use({key.kid: X25519PrivateKey.from_private_bytes(key.private) for key in ring.keys})

    def published(self) -> Jwks:
        """Return the current public keys. Seal to the first one, which every replica knows."""
        now = self._clock.now()
        current = self._ring.current(now)
        others = (key for key in reversed(self._ring.published(self._policy, now)) if key is not current)
        return Jwks(
            keys=[
                Jwk(kid=key.kid, x=base64url(key.public), crv="X25519", alg=ALGORITHM, use="enc")
                for key in (current, *others)
            ]
        )
