"""Streaming proxy of uploads to the file service's own port.

The gateway reads only the token and the headers of a request. The memory that an upload takes is what its two
connections buffer.
"""

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11

from apps.gateway.forward import Admission, CallerChecks, shutting_down
from apps.gateway.ports import FileServiceUpstream
from shared.contracts.errors import MESH_BUSY, MESH_TIMEOUT, ServiceError
from shared.edge.idempotency_key import HEADER as IDEMPOTENCY_KEY
from shared.edge.idempotency_key import key_of
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import TRACEPARENT, Headers, RequestContext, Response
from shared.edge.uploads.body_reader import IncomingBody
from shared.edge.uploads.upload_slots import UploadSlots

log = logging.getLogger(__name__)

_FORWARDED = (b"content-type", b"content-length", b"authorization")
_RETURNED = frozenset({b"content-type", b"cache-control", b"retry-after", b"www-authenticate"})
_CONNECT_TIMEOUT_S = 3.0
_READ_BYTES = 65_536
_RESPONSE_MAX_BYTES = 65_536


class UploadProxy:
    """Forwards uploads to the file service."""

    def __init__(
        self, path: str, checks: CallerChecks, admission: Admission, upstream: FileServiceUpstream
    ) -> None:
        self._path = path
        self._checks = checks
        self._admission = admission
        self._upstream = upstream
        self._slots = UploadSlots(upstream.uploads_max, upstream.uploads_person_max)

    async def __call__(self, context: RequestContext) -> Response:
        """Return the file service's response to one upload; errors on the way become problems."""
        try:
            # The file service verifies the token again.
            claims = await self._checks.authenticator.authenticate(context, self._checks.limits)
            head = self._head_of(context)
            with self._slots.acquire(claims.sub):
                async with _connected(self._upstream) as (reader, writer):
                    return await self._forward(context, head, reader, writer)
        except ServiceError as error:
            return problem_of(error, context)
        except CancelledError:
            if not self._admission.draining:
                raise
            return problem_of(shutting_down(), context)

    async def _forward(
        self,
        context: RequestContext,
        head: h11.Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Response:
        """Send and receive concurrently, so that an upload that is refused is not sent to its end."""
        connection = h11.Connection(h11.CLIENT)
        receiving = asyncio.create_task(_response_of(connection, reader))
        sending = asyncio.create_task(self._send(context, head, connection, writer))
        try:
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not isinstance(sending.exception(), OSError):
                sending.result()
            # If the file service closes the connection during the upload, its response still counts.
            async with asyncio.timeout(self._upstream.response_timeout_s):
                return await receiving
        except TimeoutError:
            raise MESH_TIMEOUT.exception("The file service did not respond in time.") from None
        except (OSError, h11.RemoteProtocolError) as error:
            raise MESH_BUSY.exception("The file service closed the connection.") from error
        finally:
            for task in (receiving, sending):
                task.cancel()
            await asyncio.gather(receiving, sending, return_exceptions=True)

    async def _send(
        self,
        context: RequestContext,
        head: h11.Request,
        connection: h11.Connection,
        writer: asyncio.StreamWriter,
    ) -> None:
        await self._write(writer, connection.send(head))
        body = IncomingBody(context.receive, self._upstream.minimum_rate)
        while (chunk := await body.next()) is not None:
            if chunk:
                await self._write(writer, connection.send(h11.Data(chunk)))
        await self._write(writer, connection.send(h11.EndOfMessage()))

    async def _write(self, writer: asyncio.StreamWriter, data: bytes | None) -> None:
        """Write, and wait until the buffer has drained. Raises `mesh.busy` if that takes too long."""
        writer.write(data or b"")
        stall_timeout_s = self._upstream.minimum_rate.stall_timeout_s
        try:
            async with asyncio.timeout(stall_timeout_s):
                await writer.drain()
        except TimeoutError:
            raise MESH_BUSY.exception(
                f"The file service read nothing of the upload for {stall_timeout_s:g} s."
            ) from None

    def _head_of(self, context: RequestContext) -> h11.Request:
        """Return the head of the forwarded request. Raises `validation.failed` for an invalid key."""
        # White space around a value is not part of it (RFC 9110, 5.5), and h11 rejects it.
        headers = [(name, context.headers[name].strip()) for name in _FORWARDED if name in context.headers]
        if b"content-length" not in context.headers:
            headers.append((b"transfer-encoding", b"chunked"))
        if (key := key_of(context.headers)) is not None:
            headers.append((IDEMPOTENCY_KEY, key.encode()))
        if context.traceparent is not None:
            headers.append((TRACEPARENT, context.traceparent.encode()))
        headers += [
            (b"host", self._upstream.netloc.encode()),
            (b"x-correlation-id", context.correlation_id.encode()),
            self._upstream.internal_hop.header(context.headers[b"authorization"]),
        ]
        return h11.Request(method="POST", target=self._path, headers=headers)


@asynccontextmanager
async def _connected(
    upstream: FileServiceUpstream,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                upstream.host, upstream.port, ssl=upstream.secure or None
            )
    except OSError as error:  # a TimeoutError is one
        log.warning(
            "cannot connect to the file service at %s (FILE_SERVICE_URL, or FILE_HOST and FILE_PORT): %r",
            upstream.netloc,
            error,
        )
        raise MESH_BUSY.exception("The file service is not reachable.") from error
    try:
        yield reader, writer
    finally:
        # Not `close`: it waits until the peer has read all that is buffered, which may never happen.
        writer.transport.abort()


async def _response_of(connection: h11.Connection, reader: asyncio.StreamReader) -> Response:
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
            if len(body) > _RESPONSE_MAX_BYTES:
                raise MESH_BUSY.exception("The response of the file service is too large.")
        elif isinstance(event, h11.EndOfMessage):
            break
        elif isinstance(event, h11.ConnectionClosed):
            raise MESH_BUSY.exception("The file service closed the connection.")
    if head is None:
        raise MESH_BUSY.exception("The file service sent no response.")
    if 300 <= head.status_code < 400:
        log.warning("the file service redirected an upload: check that MESH_SECRET and the clocks agree")
        raise MESH_BUSY.exception("The file service rejected the upload of this gateway.")
    headers: Headers = [(name, value) for name, value in head.headers if name in _RETURNED]
    headers.append((b"content-length", b"%d" % len(body)))
    return Response(head.status_code, headers, bytes(body))
