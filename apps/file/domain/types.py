"""Media types: what is said about some bytes, what they look like, and whether the two agree. Pure."""

from collections.abc import Collection

from shared.contracts.errors import FILE_TYPE_NOT_ALLOWED, ServiceError

SNIFFED_BYTES = 65_536
"""So many bytes from the beginning of a file are looked at."""

_SAME = {
    "image/jpg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "application/ogg": "audio/ogg",
    "application/x-gzip": "application/gzip",
    "application/x-zip-compressed": "application/zip",
}
_TEXTS = frozenset({"text/plain", "text/csv", "text/markdown", "application/json"})
_ACTIVE = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "application/xml", "text/xml"})
"""A browser may run what stands in these, so nothing that looks like one passes for a text."""
_SHOWN = frozenset({"text/plain", "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
OPAQUE = "application/octet-stream"
_GENERAL = ("application/zip", "video/mp4")
"""Of bytes that may be several kinds: many files are archives too, and most MP4s are films."""
_PLAIN = "text/plain"


def is_said(content_type: str, allowed: Collection[str]) -> bool:
    """Whether a form says what it carries: many clients call bytes so of which they know nothing."""
    return content_type != OPAQUE or OPAQUE in allowed


def canonical(content_type: str) -> str:
    """One name for each type: lower case, without parameters, the registered one of several."""
    plain = content_type.partition(";")[0].strip().lower()
    return _SAME.get(plain, plain)


def check_allowed(content_type: str, allowed: Collection[str]) -> None:
    """Raises `file.type_not_allowed` for a type (canonical) that is not taken here."""
    if content_type not in allowed:
        raise FILE_TYPE_NOT_ALLOWED.exception(f"Files of the type {content_type} are not taken here.")


def check_real(content_type: str, looks_like: Collection[str], head: bytes, *, whole: bool) -> None:
    """Whether bytes that begin with `head` may be what was said. `whole`: there are no more than these.

    * Bytes that look like types must look like the one that was said, among others.
    * A text is UTF-8 without NUL, and looks like nothing that a browser runs.
    * What was said to be opaque bytes may be all but what a browser runs.

    Raises `file.type_not_allowed`.
    """
    seen = {canonical(kind) for kind in looks_like}
    if content_type in seen:
        return
    if content_type in _TEXTS and not seen & _ACTIVE and _is_text(head, whole=whole):
        return
    if content_type == OPAQUE and not seen & _ACTIVE:
        return
    raise _another(content_type, seen)


def best_guess(looks_like: Collection[str], head: bytes, allowed: Collection[str], *, whole: bool) -> str:
    """The type of bytes of which none was said. Raises `file.type_not_allowed` for one that is not taken."""
    seen = {canonical(kind) for kind in looks_like}
    found = sorted(seen & set(allowed))
    if found:
        return next((general for general in _GENERAL if general in found), found[0])
    if _PLAIN in allowed and not seen & _ACTIVE and _is_text(head, whole=whole):
        return _PLAIN
    raise _another("that is taken here", seen)


def may_be_shown(content_type: str) -> bool:
    """Whether a browser shows it without running anything in it."""
    return content_type in _SHOWN or content_type.partition("/")[0] in ("audio", "video")


def may_have_thumbnails(content_type: str) -> bool:
    """Whether it is an image that thumbnails are made of."""
    return content_type in _PICTURES


def _another(said: str, seen: Collection[str]) -> ServiceError:
    looks = f"; they look like {', '.join(sorted(seen)[:3])}" if seen else ""
    return FILE_TYPE_NOT_ALLOWED.exception(f"The bytes are not of the type {said}{looks}.")


def _is_text(head: bytes, *, whole: bool) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut in two where the head ends.
        return not whole and error.end == len(head) and len(head) - error.start < 4
    return True
