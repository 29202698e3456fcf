"""The way of an upload: its bytes go on to the file service's own port as they come, and its answer back.

Nothing is read here but the token and the request's key. What is in memory of an upload is what the two
connections hold.
"""

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11

from apps.gateway.forward import ApiState
from apps.gateway.ports import FileServiceUpstream
from shared.contracts.errors import MESH_BUSY, MESH_TIMEOUT, ServiceError
from shared.edge.idempotency_key import HEADER as IDEMPOTENCY_KEY
from shared.edge.idempotency_key import key_of
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import TRACEPARENT, Headers, RequestContext, Response
from shared.edge.uploads.body_reader import IncomingBody
from shared.edge.uploads.upload_slots import UploadSlots

log = logging.getLogger(__name__)

_PASSED_ON = (b"content-type", b"content-length", b"authorization")
_PASSED_BACK = frozenset({b"content-type", b"cache-control", b"retry-after", b"www-authenticate"})
_CONNECT_TIMEOUT_S = 3.0
_READ_BYTES = 65_536
_ANSWER_MAX_BYTES = 65_536


class UploadProxy:
    """Passes uploads on."""

    def __init__(self, path: str, desk: ApiState, door: FileServiceUpstream) -> None:
        self._path = path
        self._desk = desk
        self._door = door
        self._slots = UploadSlots(door.uploads_max, door.uploads_person_max)

    async def __call__(self, context: RequestContext) -> Response:
        """The file service's answer to one upload, a problem where it went wrong on the way."""
        try:
            claims = await self._desk.caller_of(context)  # the file service looks at the token once more
            head = self._head_of(context)
            with self._slots.acquire(claims.sub):
                async with _connected(self._door) as (reader, writer):
                    return await self._pass_on(context, head, reader, writer)
        except ServiceError as error:
            return problem_of(error, context)
        except CancelledError:
            if not self._desk.draining:
                raise
            return problem_of(MESH_BUSY.exception("The gateway is leaving; try again."), context)

    async def _pass_on(
        self,
        context: RequestContext,
        head: h11.Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Response:
        """Send and listen at once: a file that is refused is not sent to its end."""
        connection = h11.Connection(h11.CLIENT)
        answering = asyncio.create_task(_answer_of(connection, reader))
        sending = asyncio.create_task(self._send(context, head, connection, writer))
        try:
            await asyncio.wait({answering, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not isinstance(sending.exception(), OSError):
                sending.result()
            # Whoever refuses a file may hang up while it is still being sent: its answer counts.
            async with asyncio.timeout(self._door.answer_timeout_s):
                return await answering
        except TimeoutError:
            raise MESH_TIMEOUT.exception("The file service did not answer in time.") from None
        except (OSError, h11.RemoteProtocolError) as error:
            raise MESH_BUSY.exception("The file service went away.") from error
        finally:
            for task in (answering, sending):
                task.cancel()
            await asyncio.gather(answering, sending, return_exceptions=True)

    async def _send(
        self,
        context: RequestContext,
        head: h11.Request,
        connection: h11.Connection,
        writer: asyncio.StreamWriter,
    ) -> None:
        await self._write(writer, connection.send(head))
        body = IncomingBody(context.receive, self._door.tempo)
        while (piece := await body.next()) is not None:
            if piece:
                await self._write(writer, connection.send(h11.Data(piece)))
        await self._write(writer, connection.send(h11.EndOfMessage()))

    async def _write(self, writer: asyncio.StreamWriter, data: bytes | None) -> None:
        """Write, and wait until most of it was taken. Raises `mesh.busy` when it is not."""
        writer.write(data or b"")
        stall_timeout_s = self._door.tempo.stall_timeout_s
        try:
            async with asyncio.timeout(stall_timeout_s):
                await writer.drain()
        except TimeoutError:
            raise MESH_BUSY.exception(
                f"The file service took nothing of the upload for {stall_timeout_s:g} s."
            ) from None

    def _head_of(self, context: RequestContext) -> h11.Request:
        """Raises `validation.failed` for a key that is none."""
        # Blanks around a value are no part of it (RFC 9110, 5.5), and h11 takes none.
        headers = [(name, context.headers[name].strip()) for name in _PASSED_ON if name in context.headers]
        if b"content-length" not in context.headers:
            headers.append((b"transfer-encoding", b"chunked"))
        if (key := key_of(context.headers)) is not None:
            headers.append((IDEMPOTENCY_KEY, key.encode()))
        if context.traceparent is not None:
            headers.append((TRACEPARENT, context.traceparent.encode()))
        headers += [
            (b"host", self._door.netloc.encode()),
            (b"x-correlation-id", context.correlation_id.encode()),
            self._door.internal_hop.header(context.headers[b"authorization"]),
        ]
        return h11.Request(method="POST", target=self._path, headers=headers)


@asynccontextmanager
async def _connected(
    door: FileServiceUpstream,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(door.host, door.port, ssl=door.secure or None)
    except OSError as error:  # a TimeoutError is one
        log.warning(
            "no file service at %s (FILE_SERVICE_URL, or FILE_HOST and FILE_PORT): %r",
            door.netloc,
            error,
        )
        raise MESH_BUSY.exception("The file service is away.") from error
    try:
        yield reader, writer
    finally:
        # Not `close`, which waits until all that is still to be sent was taken: that may be never.
        writer.transport.abort()


async def _answer_of(connection: h11.Connection, reader: asyncio.StreamReader) -> Response:
    head: h11.Response | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _ANSWER_MAX_BYTES:
                raise MESH_BUSY.exception("The file service answered too much.")
        elif isinstance(event, h11.EndOfMessage):
            break
        elif isinstance(event, h11.ConnectionClosed):
            raise MESH_BUSY.exception("The file service went away.")
    if head is None:
        raise MESH_BUSY.exception("The file service gave no answer.")
    if 300 <= head.status_code < 400:
        log.warning("the file service sends an upload elsewhere: do MESH_SECRET and the clocks agree?")
        raise MESH_BUSY.exception("The file service did not take the upload from this gateway.")
    headers: Headers = [(name, value) for name, value in head.headers if name in _PASSED_BACK]
    headers.append((b"content-length", b"%d" % len(body)))
    return Response(head.status_code, headers, bytes(body))
