"""A file in a form (`multipart/form-data`, RFC 7578), read as it comes and never whole in memory.

The grammar is python-multipart's, which is pushed; here it becomes something that is pulled.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from apps.file.domain.names import last_part
from shared.contracts.errors import BODY_MALFORMED, MEDIA_TYPE_UNSUPPORTED, FieldError, ServiceError
from shared.contracts.fields import ContentType, FileName, Id
from shared.contracts.validation import rule_of, validation_failed

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

Receive = Callable[[], Awaitable[bytes | None]]
"""Gives the next bytes of the body, None at its end; raises when it breaks off or stands still."""

_FIELD_MAX_BYTES = 256
_BEFORE_MAX_BYTES = 16_384
"""What may come before the part of the body in which the file begins: blanks behind a boundary have no end,
and the parser looks at each of them.
"""
_AFTER_MAX_BYTES = 65_536
"""What may follow the last byte of the file: the end of the form."""


class IncomingFile:
    """The file of a form whose head was read: `await open_form(…)` gives one."""

    def __init__(
        self, form: "_Form", receive: Receive, head: tuple[UUID, str, str], size_max: int | None
    ) -> None:
        self.channel_id, self.name, self.content_type = head
        self.size_max = size_max
        self._form = form
        self._receive = receive

    async def read(self, size: int) -> bytes:
        """The next bytes, exactly so many unless the file ends; raises what is wrong with the form."""
        form = self._form
        while len(form.data) < size and not form.file_ended:
            await _feed(form, self._receive)
        piece = bytes(memoryview(form.data)[:size])
        del form.data[:size]
        if form.file_ended and not form.data:
            await self._read_end()
        return piece

    async def _read_end(self) -> None:
        """The form is whole only when its last boundary has come."""
        while not self._form.ended:
            await _feed(self._form, self._receive)


async def open_form(content_type: str, length: int | None, receive: Receive) -> IncomingFile:
    """Read a form until its file begins. `length` is that of the whole body, where it is known.

    Raises `media_type.unsupported`, `body.malformed`, `validation.failed`.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise MEDIA_TYPE_UNSUPPORTED.exception("The header `Content-Type` must be `multipart/form-data`.")
    form = _Form(options[b"boundary"])
    while not form.file_begun:
        if form.ended:
            raise validation_failed(form.faults_at_end())
        await _feed(form, receive)
    return IncomingFile(form, receive, form.checked(), length)


async def _feed(form: "_Form", receive: Receive) -> None:
    piece = await receive()
    if piece is None:
        raise BODY_MALFORMED.exception("The form ends before its last boundary.")
    form.feed(piece)


class _Form:
    """What the parser has seen so far. Holds at most one piece of the body more than was asked for."""

    def __init__(self, boundary: bytes) -> None:
        self.data = bytearray()
        self.file_begun = False
        self.file_ended = False
        self.ended = False
        self._fields: dict[str, bytes] = {}
        self._name = ""
        self._headers: dict[bytes, bytes] = {}
        self._header = bytearray()
        self._value = bytearray()
        self._filename = b""
        self._media_type = ""
        self._before = 0
        self._after = 0
        self._fault: ServiceError | None = None
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError:
            raise BODY_MALFORMED.exception("The boundary of the form is too long.") from None

    def feed(self, piece: bytes) -> None:
        """Take in the next bytes. Raises what is wrong with the form."""
        if self.file_ended:
            self._after += len(piece)
            if self._after > _AFTER_MAX_BYTES:
                raise BODY_MALFORMED.exception("Too much follows the file.")
        if self.ended:
            return
        if self._before > _BEFORE_MAX_BYTES:
            raise BODY_MALFORMED.exception("Too much comes before the file.")
        try:
            self._parser.write(piece)
        except FormParserError:
            raise BODY_MALFORMED.exception("The body is no valid multipart/form-data.") from None
        if self._fault is not None:
            raise self._fault
        if not self.file_begun:
            self._before += len(piece)

    def checked(self) -> tuple[UUID, str, str]:
        """The channel, the name and the type. Raises `validation.failed` with all that is wrong."""
        faults: list[FieldError] = []
        name = last_part(self._filename.decode("utf-8", "replace"))
        media_type = self._media_type.partition(";")[0].strip()
        channel = self._fields.get("channelId")
        if channel is None:
            faults.append(FieldError("channelId", "is required, before the file"))
        channel_id = _convert("channelId", (channel or b"").decode("utf-8", "replace").strip(), Id, faults)
        _convert("file", name, FileName, faults, "needs a file name of ")
        if media_type:
            _convert("file", media_type, ContentType, faults, "needs a type: ")
        if faults:
            raise validation_failed(_first_of_each(faults))
        assert isinstance(channel_id, UUID)
        return channel_id, name, media_type

    def faults_at_end(self) -> list[FieldError]:
        """What is missing in a form without a file."""
        faults = [FieldError("file", "is required")]
        if "channelId" not in self._fields:
            faults.insert(0, FieldError("channelId", "is required"))
        return faults

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._name = ""
        if self.file_ended:
            self._refuse("$", "the file must be the last field")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == "file":
            self._filename = options.get(b"filename", b"")
            self._media_type = self._headers.get(b"content-type", b"").decode("latin-1")
            self.file_begun = True
            if "channelId" not in self._fields:
                self._refuse("channelId", "is required, before the file")
        elif self._name != "channelId":
            self._refuse(self._name[:100] or "$", "is not a known field")
        elif self._name in self._fields:
            self._refuse(self._name, "may be given once only")
        else:
            self._fields[self._name] = b""

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self.data += memoryview(data)[start:end]
        elif self._name in self._fields:
            self._fields[self._name] += data[start:end]
            if len(self._fields[self._name]) > _FIELD_MAX_BYTES:
                self._refuse(self._name, f"may have at most {_FIELD_MAX_BYTES} bytes")

    def _on_part_end(self) -> None:
        if self._name == "file":
            self.file_ended = True

    def _on_end(self) -> None:
        self.ended = True

    def _refuse(self, path: str, message: str) -> None:
        """Raised when the parser is done with this piece: it is not to be left in the middle of one."""
        self._fault = self._fault or validation_failed((FieldError(path, message),))


def _convert(path: str, text: str, kind: object, faults: list[FieldError], words: str = "") -> object:
    try:
        return msgspec.convert(text, kind)
    except msgspec.ValidationError:
        rule = rule_of(kind) or "is not valid"
        faults.append(FieldError(path, words + rule.removeprefix("must be ") if words else rule))
        return None


def _first_of_each(faults: list[FieldError]) -> list[FieldError]:
    return list({fault.path: fault for fault in reversed(faults)}.values())[::-1]
