"""HTTP application of the file service's own port: streamed uploads, and redirects to downloads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar, get, post
from msgspec import Struct

from apps.file.inbound.multipart import open_form
from apps.file.usecases.receive_upload import ReceiveUpload
from shared.contracts.account import Claims
from shared.contracts.base import Body
from shared.contracts.errors import BODY_MALFORMED, FILE_TOO_LARGE, ServiceError
from shared.contracts.fields import Id
from shared.contracts.file import (
    FILE_DOWNLOAD,
    FILE_UPLOAD,
    UPLOAD_PATH,
    DownloadFile,
    DownloadQuery,
    FileLocation,
)
from shared.contracts.operation import Operation
from shared.contracts.validation import decode_query
from shared.edge.auth.authenticator import Authenticator
from shared.edge.client_address.internal_hop import HEADER, InternalHop
from shared.edge.idempotency_key import key_of, request_key
from shared.edge.litestar_adapter import Respond, exception_handlers, litestar_handler
from shared.edge.problem_responses import problem_of
from shared.edge.rate_limits.policies import RateLimits
from shared.edge.request_context import RequestContext, Response, respond
from shared.edge.uploads.body_reader import IncomingBody, MinimumRate
from shared.edge.uploads.upload_slots import UploadSlots
from shared.kit.clock import SystemIds, now_ms
from shared.kit.telemetry.log_context import correlation_id_var, traceparent_var
from shared.kit.wire.call import Call

_FORM_BYTES = 16_384
"""The bytes of a form apart from its file."""
_PRIVATE = (b"cache-control", b"no-store")

Download = Callable[[DownloadFile, Call], Awaitable[FileLocation]]


class _FilePath(Body, kw_only=True, rename=None):
    file_id: Id


class UploadBounds(Struct, frozen=True, kw_only=True):
    """Bounds of streamed uploads."""

    file_max_bytes: int
    uploads_max: int
    uploads_person_max: int
    upload_timeout_s: float
    rate: MinimumRate
    call_timeout_ms: int


class UploadAuth(Struct, frozen=True):
    """Authentication and rate limits of this port; a gateway has counted the requests that it forwards."""

    authenticator: Authenticator
    limits: RateLimits
    internal_hop: InternalHop

    async def caller_of(self, context: RequestContext) -> Claims:
        """Return the claims of the request's token.

        Raises `token.missing`, `token.invalid`, `token.expired`, `rate.limited`.
        """
        authorization = context.headers.get(b"authorization", b"")
        if self.internal_hop.verify(context.headers.get(HEADER), authorization):
            return await self.authenticator.authenticate_uncharged(context)
        return await self.authenticator.authenticate(context, self.limits)


class FileApp:
    """Answers `POST /api/files/upload` and `GET /api/files/{id}/content`."""

    def __init__(
        self, auth: UploadAuth, receive: ReceiveUpload, download: Download, bounds: UploadBounds
    ) -> None:
        self._auth = auth
        self._receive = receive
        self._download = download
        self._bounds = bounds
        self._ids = SystemIds()
        self._slots = UploadSlots(bounds.uploads_max, bounds.uploads_person_max)

    def app(self) -> Litestar:
        """Return the Litestar application; EdgeMiddleware wraps it."""

        upload = post(UPLOAD_PATH, status_code=201)(litestar_handler(_handler(self._upload)))
        content = get("/api/files/{file_id:str}/content", status_code=302)(
            litestar_handler(_handler(self._content))
        )
        return Litestar(
            [upload, content],
            openapi_config=None,
            logging_config=None,
            exception_handlers=exception_handlers(
                f"This port serves {UPLOAD_PATH} and /api/files/<id>/content only."
            ),
        )

    async def _upload(self, context: RequestContext) -> Response:
        bounds = self._bounds
        length = _content_length(context)
        if length is not None and length > bounds.file_max_bytes + _FORM_BYTES:
            raise FILE_TOO_LARGE.exception(f"A file may have at most {bounds.file_max_bytes} bytes.")
        profile_id = (await self._auth.caller_of(context)).sub
        call = self._repeatable(context)
        with self._slots.acquire(profile_id):
            async with _upload_timeout(bounds.upload_timeout_s):
                body = IncomingBody(context.receive, bounds.rate)
                content_type = context.headers.get(b"content-type", b"").decode("latin-1")
                incoming = await open_form(content_type, length, body.next)
                file = await self._receive.receive(incoming, profile_id, context.correlation_id, call)
        return respond(201, "application/json", msgspec.json.encode(file), _PRIVATE)

    async def _content(self, context: RequestContext) -> Response:
        """Redirect to the bytes in S3, as the gateway does."""
        profile_id = (await self._auth.caller_of(context)).sub
        path = decode_query(context.scope["path_params"].items(), _FilePath)
        query = decode_query(parse_qsl(context.scope["query_string"].decode("latin-1"), True), DownloadQuery)
        request = DownloadFile(file_id=path.file_id, profile_id=profile_id, inline=query.inline)
        location = (await self._download(request, self._call(FILE_DOWNLOAD, context))).url.encode()
        return Response(302, [(b"location", location), (b"content-length", b"0"), _PRIVATE])

    def _repeatable(self, context: RequestContext) -> Call | None:
        """Return the call of an upload with an Idempotency-Key. Raises `validation.failed`."""
        key = key_of(context.headers)
        if key is None:
            return None
        return self._call(FILE_UPLOAD, context, request_key("POST", UPLOAD_PATH, key))

    def _call(self, operation: Operation, context: RequestContext, key: str | None = None) -> Call:
        """Return the request as if it had come over Kafka."""
        return Call(
            operation=operation,
            correlation_id=context.correlation_id,
            call_id=self._ids.text(),
            deadline_ms=now_ms() + self._bounds.call_timeout_ms,
            idempotency_key=key,
            traceparent=context.traceparent,
        )


def _handler(respond: Respond) -> Respond:
    """Return the handler with the request's ids in the log context, and with errors as problems."""

    async def handle(context: RequestContext) -> Response:
        correlation_id_var.set(context.correlation_id)
        traceparent_var.set(context.traceparent)
        try:
            return await respond(context)
        except ServiceError as error:
            return problem_of(error, context)

    return handle


@asynccontextmanager
async def _upload_timeout(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise BODY_MALFORMED.exception(f"The upload took longer than {seconds:g} s.") from None


def _content_length(context: RequestContext) -> int | None:
    length = context.headers.get(b"content-length", b"")
    return int(length) if length.isdigit() else None
