"""Rotate the signing keys."""

from apps.auth.domain.signing_key import KeyPolicy, KeyRing
from apps.auth.ports import AccessTokens, KeyMaker, SigningKeys
from shared.contracts.clock import Clock


async def rotate_keys(
    stored: SigningKeys, maker: KeyMaker, access: AccessTokens, policy: KeyPolicy, clock: Clock
) -> None:
    """Make the next key when it is due, remove those past use, and sign with what there is.

    Every replica does this, at any time: keys are numbered, and of two with one number one is stored.
    """
    now = clock.now()
    ring = KeyRing(await stored.all())
    if due := ring.due(policy, now):
        number, signs_from = due
        await stored.add(maker.new(number, now, signs_from))
        ring = KeyRing(await stored.all())
    if retired := ring.retired(policy, now):
        await stored.remove([key.number for key in retired])
        ring = KeyRing(await stored.all())
    access.use(ring)
