"""Media types: what a client declares, what the bytes look like, and whether the two agree. Pure."""

from collections.abc import Collection

from shared.contracts.errors import FILE_TYPE_NOT_ALLOWED, ServiceError

SNIFFED_BYTES = 65_536
"""The bytes at the beginning of a file by which its type is checked."""

_ALIASES = {
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
"""A browser may run scripts in these, so bytes that look like one never pass for a text."""
_INLINE = frozenset({"text/plain", "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
OPAQUE = "application/octet-stream"
_GENERAL = ("application/zip", "video/mp4")
"""Preferred among several types: many documents are archives too, and most MP4s are films."""
_PLAIN = "text/plain"


def is_declared(content_type: str, allowed: Collection[str]) -> bool:
    """Return True if a form declares a type: many clients send the opaque one for anything unknown."""
    return content_type != OPAQUE or OPAQUE in allowed


def canonical(content_type: str) -> str:
    """Return the one name of a type: lower case, without parameters, the registered one of its aliases."""
    plain = content_type.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def check_allowed(content_type: str, allowed: Collection[str]) -> None:
    """Raise `file.type_not_allowed` for a canonical type that is not accepted."""
    if content_type not in allowed:
        raise FILE_TYPE_NOT_ALLOWED.exception(f"Files of the type {content_type} are not accepted.")


def check_matches(content_type: str, looks_like: Collection[str], head: bytes, *, whole: bool) -> None:
    """Check that bytes beginning with `head` may be of the declared type. `whole`: there are no others.

    * If the bytes look like certain types, the declared one must be among them.
    * A text is UTF-8 without NUL, and looks like nothing that a browser runs.
    * Opaque bytes may be anything but what a browser runs.

    Raises `file.type_not_allowed`.
    """
    candidates = {canonical(name) for name in looks_like}
    if content_type in candidates:
        return
    if content_type in _TEXTS and not candidates & _ACTIVE and _is_text(head, whole=whole):
        return
    if content_type == OPAQUE and not candidates & _ACTIVE:
        return
    raise _mismatch(f"of the type {content_type}", candidates)


def guess_type(looks_like: Collection[str], head: bytes, allowed: Collection[str], *, whole: bool) -> str:
    """Return the accepted type of undeclared bytes. Raises `file.type_not_allowed`."""
    candidates = {canonical(name) for name in looks_like}
    accepted = sorted(candidates & set(allowed))
    if accepted:
        return next((general for general in _GENERAL if general in accepted), accepted[0])
    if _PLAIN in allowed and not candidates & _ACTIVE and _is_text(head, whole=whole):
        return _PLAIN
    raise _mismatch("of a type that is accepted", candidates)


def may_be_inline(content_type: str) -> bool:
    """Return True if a browser can display it without running anything in it."""
    return content_type in _INLINE or content_type.partition("/")[0] in ("audio", "video")


def can_be_thumbnailed(content_type: str) -> bool:
    """Return True for the images that thumbnails are rendered from."""
    return content_type in _IMAGES


def _mismatch(expected: str, candidates: Collection[str]) -> ServiceError:
    looks = f"; they look like {', '.join(sorted(candidates)[:3])}" if candidates else ""
    return FILE_TYPE_NOT_ALLOWED.exception(f"The bytes are not {expected}{looks}.")


def _is_text(head: bytes, *, whole: bool) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut in two where the head ends.
        return not whole and error.end == len(head) and len(head) - error.start < 4
    return True
