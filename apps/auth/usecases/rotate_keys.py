"""Rotate the keys of one use."""

from apps.auth.domain.keys import KeyPolicy, KeyRing
from apps.auth.ports import KeyGenerator, KeyHolder, Keys
from shared.contracts.clock import Clock


async def rotate_keys(
    stored: Keys, maker: KeyGenerator, user: KeyHolder, policy: KeyPolicy, clock: Clock
) -> None:
    """Make the next key when it is due, remove those past use, and work with what there is.

    Every replica does this, at any time: keys are numbered, and of two with one number one is stored.
    """
    now = clock.now()
    ring = KeyRing(await stored.all())
    if due := ring.due(policy, now):
        number, used_from = due
        await stored.add(maker.new(number, now, used_from))
        ring = KeyRing(await stored.all())
    if retired := ring.retired(policy, now):
        await stored.remove([key.number for key in retired])
        ring = KeyRing(await stored.all())
    user.use(ring)
