"""`apps.file.ports.Sniffer` with puremagic, and the two families of formats that it knows too little of."""

import asyncio

import puremagic

_MP4 = frozenset({"video/mp4", "audio/mp4"})
"""The tracks decide between the two, and they may be at the end of the file."""
_M4A = frozenset({"audio/mp4"})
_HEIC = frozenset({"image/heic", "image/heif"})
_BRANDS = {
    **dict.fromkeys((b"isom", b"mp41", b"mp42", b"mp71", b"avc1", b"dash", b"MSNV"), _MP4),
    **{b"iso%d" % number: _MP4 for number in range(2, 10)},
    **dict.fromkeys((b"M4V ", b"M4VH", b"M4VP"), frozenset({"video/mp4"})),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), _M4A),
    b"qt  ": frozenset({"video/quicktime"}),
    **dict.fromkeys((b"avif", b"avis"), frozenset({"image/avif"})),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), _HEIC),
}
"""As the registration authority of ISO/IEC 14496-12 lists them (mp4ra.org)."""


class PuremagicSniffer:
    """Detects types by the beginning of a file, in a thread: some formats take milliseconds."""

    async def looks_like(self, head: bytes) -> frozenset[str]:
        """Return the media types that bytes with this beginning may have; none if nothing is known."""
        return await asyncio.to_thread(_looks_like, head)


def _looks_like(head: bytes) -> frozenset[str]:
    if known := _by_brand(head):
        return known
    if _is_mp3_frame(head):
        return frozenset({"audio/mpeg"})
    try:
        matches = puremagic.magic_string(head)
    except puremagic.PureError:
        return frozenset()
    # The longest match counts: a WebP begins as a WAV does, but goes on otherwise.
    best = max(match.confidence for match in matches)
    return frozenset(match.mime_type for match in matches if match.mime_type and match.confidence == best)


def _by_brand(head: bytes) -> frozenset[str] | None:
    """Read the box `ftyp`: its length, a brand, a version, and the compatible brands."""
    if head[4:8] != b"ftyp":
        return None
    box = head[8 : int.from_bytes(head[:4])]
    brands = (box[:4], *(box[at : at + 4] for at in range(8, len(box), 4)))
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def _is_mp3_frame(head: bytes) -> bool:
    """Return True for an MPEG audio frame of layer III (ISO/IEC 11172-3, 2.4.1.3) without an ID3 tag."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, rate, frequency = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer == 1 and rate not in (0, 15) and frequency != 3
