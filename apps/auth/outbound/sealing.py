"""The keys that passwords and tokens in Kafka are sealed to."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from apps.auth.domain.keys import KeyPolicy, KeyRing
from shared.contracts.account import Jwk, Jwks
from shared.contracts.clock import Clock
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.hpke import ALGORITHM, base64url


class SealingKeys:
    """`apps.auth.ports.Sealing`: hands the keys that there are to what opens requests."""

    def __init__(self, seals: FieldEncryption, policy: KeyPolicy, clock: Clock) -> None:
        self._seals = seals
        self._policy = policy
        self._clock = clock
        self._ring = KeyRing(())

    def use(self, ring: KeyRing) -> None:
        """Open with all of these keys from now on."""
        self._ring = ring
        self._seals.use({key.kid: X25519PrivateKey.from_private_bytes(key.private) for key in ring.keys})

    def published(self) -> Jwks:
        """The public keys of now. The first is to be used: every replica knows it."""
        now = self._clock.now()
        current = self._ring.current(now)
        others = (key for key in reversed(self._ring.published(self._policy, now)) if key is not current)
        return Jwks(
            keys=[
                Jwk(kid=key.kid, x=base64url(key.public), crv="X25519", alg=ALGORITHM, use="enc")
                for key in (current, *others)
            ]
        )
