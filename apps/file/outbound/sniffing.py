"""Types by their bytes, as puremagic knows them."""

import asyncio

import puremagic


class PureMagic:
    """Looks at the beginning of a file. Some formats take milliseconds, so it does so in a thread."""

    async def looks_like(self, head: bytes) -> frozenset[str]:
        """The media types that bytes which begin like this may be; none when nothing is known."""
        return await asyncio.to_thread(_looks_like, head)


def _looks_like(head: bytes) -> frozenset[str]:
    try:
        found = puremagic.magic_string(head)
    except puremagic.PureError:
        return frozenset()
    # The longest match counts: a WebP begins as a WAV does, but goes on otherwise.
    best = max(each.confidence for each in found)
    return frozenset(each.mime_type for each in found if each.mime_type and each.confidence == best)
