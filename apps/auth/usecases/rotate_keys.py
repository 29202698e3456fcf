"""Key rotation."""

from apps.auth.domain.keys import KeyPolicy, KeyRing
from apps.auth.ports import KeyGenerator, KeyHolder, Keys
from shared.contracts.clock import Clock


async def rotate_keys(
    stored: Keys, generator: KeyGenerator, holder: KeyHolder, policy: KeyPolicy, clock: Clock
) -> None:
    """Create the next key if it is due, delete retired keys, and hand the rest to the holder.

    Every replica runs this at any time: keys are numbered, and only one key per number is stored.
    """
    now = clock.now()
    ring = KeyRing(await stored.all())
    if due := ring.due(policy, now):
        number, used_from = due
        await stored.add(generator.new(number, now, used_from))
        ring = KeyRing(await stored.all())
    if retired := ring.retired(policy, now):
        await stored.remove([key.number for key in retired])
        ring = KeyRing(await stored.all())
    holder.use(ring)
