"""Read a file from a form (`multipart/form-data`, RFC 7578) as it arrives, never whole in memory."""

import re
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import unquote
from uuid import UUID

import msgspec
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from apps.file.domain.names import base_name
from shared.contracts.errors import BODY_MALFORMED, MEDIA_TYPE_UNSUPPORTED, FieldError, ServiceError
from shared.contracts.fields import ContentType, FileName, Id
from shared.contracts.validation import rule_of, validation_failed

Receive = Callable[[], Awaitable[bytes | None]]
"""Returns the next bytes of the body, None at its end; raises when the body breaks off or stalls."""

_BOUNDARY_MAX_CHARS = 256
_FIELD_MAX_BYTES = 256
_BEFORE_MAX_BYTES = 16_384
"""The most that may precede the piece of the body in which the file begins. Without it, a body of unknown
length could keep the parser busy without ever sending a file.
"""
_EXTENDED_FILENAME = re.compile(r";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)", re.IGNORECASE)
"""RFC 5987. RFC 7578 forbids it in forms, yet some clients send nothing else for non-ASCII names."""


class IncomingFile:
    """The file of a form whose fields were read: `open_form` returns one."""

    def __init__(
        self, form: "_Form", receive: Receive, head: tuple[UUID, str, str], size_max: int | None
    ) -> None:
        self.channel_id, self.name, self.content_type = head
        self.size_max = size_max
        self._form = form
        self._receive = receive

    async def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the file. Raises the error of the form."""
        form = self._form
        while len(form.data) < size and not form.complete:
            form.feed(await _next_piece(self._receive))
        piece = bytes(memoryview(form.data)[:size])
        del form.data[:size]
        return piece


async def open_form(content_type: str, length: int | None, receive: Receive) -> IncomingFile:
    """Read a form until its file begins. `length` is that of the whole body in bytes, if known.

    Raises `media_type.unsupported`, `body.malformed`, `validation.failed`.
    """
    media_type, options = parse_options_header(content_type)
    if media_type != "multipart/form-data" or not options.get("boundary"):
        raise MEDIA_TYPE_UNSUPPORTED.exception("The header `Content-Type` must be `multipart/form-data`.")
    form = _Form(options["boundary"])
    while not form.file_begun:
        piece = await receive()
        if piece is None:
            form.end_without_file()
        else:
            form.feed(piece)
    return IncomingFile(form, receive, form.head(), length)


async def _next_piece(receive: Receive) -> bytes:
    piece = await receive()
    if piece is None:
        raise _ended_early()
    return piece


class _Form:
    """The part of a form that was parsed. It buffers at most one piece more than its reader asked for.

    A valid form has two parts, `channelId` and `file`, in this order: the parser is limited to two, and the
    form is complete when the second one ends without a third after it.
    """

    def __init__(self, boundary: str) -> None:
        if len(boundary) > _BOUNDARY_MAX_CHARS:
            raise BODY_MALFORMED.exception("The boundary of the form is too long.")
        self.data = bytearray()
        self.file_begun = False
        self.complete = False
        self._parser = PushMultipartParser(boundary, max_segment_count=2, header_charset="latin-1")
        self._channel_id: bytearray | None = None
        self._file: MultipartSegment | None = None
        self._before = 0

    def feed(self, piece: bytes) -> None:
        """Parse the next bytes. Raises `body.malformed`, `validation.failed`."""
        if not piece:  # to the parser it would be the end of the body
            return
        if self._before > _BEFORE_MAX_BYTES:
            raise BODY_MALFORMED.exception("Too much comes before the file.")
        for event in self._events(piece):
            if isinstance(event, MultipartSegment):
                self._begin_part(event)
            elif event is not None:
                self._add(event)
        if not self.file_begun:
            self._before += len(piece)

    def head(self) -> tuple[UUID, str, str]:
        """Return the channel, the name and the type. Raises `validation.failed` with all errors."""
        assert self._file is not None
        errors: list[FieldError] = []
        name = base_name(_file_name(self._file))
        media_type = str(self._file.header("Content-Type", "")).partition(";")[0].strip()
        channel = bytes(self._channel_id or b"").decode("utf-8", "replace").strip()
        channel_id = _convert("channelId", channel, Id, errors)
        _convert("file", name, FileName, errors, "needs a file name of ")
        if media_type:
            _convert("file", media_type, ContentType, errors, "needs a type: ")
        if errors:
            raise validation_failed(_first_of_each(errors))
        assert isinstance(channel_id, UUID)
        return channel_id, name, media_type

    def end_without_file(self) -> None:
        """Raise the error of a body that ended before its file began."""
        try:
            self._parser.close()
        except MultipartError:
            raise _ended_early() from None
        missing = ["file"] if self._channel_id is not None else ["channelId", "file"]
        raise validation_failed([FieldError(path, "is required") for path in missing])

    def _events(self, piece: bytes) -> Iterator[MultipartSegment | bytes | None]:
        try:
            yield from self._parser.parse(piece)
        except ParserLimitReached:
            if self._file is None or not self._file.complete:
                raise _malformed() from None
            raise validation_failed((FieldError("$", "the file must be the last field"),)) from None
        except MultipartError:
            raise _malformed() from None
        self.complete = self._file is not None and self._file.complete

    def _begin_part(self, part: MultipartSegment) -> None:
        name = _utf8(part.name or "")
        error = ""
        if name == "file":
            self._file, self.file_begun = part, True
            if self._channel_id is None:
                name, error = "channelId", "is required, before the file"
        elif name != "channelId":
            name, error = name[:100] or "$", "is not a known field"
        elif self._channel_id is not None:
            error = "may be given once only"
        else:
            self._channel_id = bytearray()
        if error:
            raise validation_failed((FieldError(name, error),))

    def _add(self, data: bytes) -> None:
        if self.file_begun:
            self.data += data
            return
        assert self._channel_id is not None
        self._channel_id += data
        if len(self._channel_id) > _FIELD_MAX_BYTES:
            error = FieldError("channelId", f"may have at most {_FIELD_MAX_BYTES} bytes")
            raise validation_failed((error,))


def _file_name(part: MultipartSegment) -> str:
    if extended := _EXTENDED_FILENAME.search(str(part.header("Content-Disposition", ""))):
        return unquote(extended[1])
    return _utf8(part.filename or "")


def _utf8(text: str) -> str:
    """Decode a header value, which the parser took for Latin-1 so that no byte of it is an error."""
    return text.encode("latin-1").decode("utf-8", "replace")


def _ended_early() -> ServiceError:
    return BODY_MALFORMED.exception("The form ends before its last boundary.")


def _malformed() -> ServiceError:
    return BODY_MALFORMED.exception("The body is no valid multipart/form-data.")


def _convert(path: str, text: str, field: object, errors: list[FieldError], prefix: str = "") -> object:
    try:
        return msgspec.convert(text, field)
    except msgspec.ValidationError:
        rule = rule_of(field) or "is not valid"
        errors.append(FieldError(path, prefix + rule.removeprefix("must be ") if prefix else rule))
        return None


def _first_of_each(errors: list[FieldError]) -> list[FieldError]:
    return list({error.path: error for error in reversed(errors)}.values())[::-1]
