"""The file service's own HTTP port: uploads that are streamed, and the way to downloads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Litestar, get, post
from msgspec import Struct

from apps.file.inbound.kafka import Inbound
from apps.file.inbound.multipart import IncomingFile, open_form
from apps.file.usecases.receive_upload import Admitted, ReceiveUpload
from shared.contracts.account import Claims
from shared.contracts.base import Body
from shared.contracts.errors import (
    BODY_MALFORMED,
    FILE_TOO_LARGE,
    ServiceError,
)
from shared.contracts.fields import Id
from shared.contracts.file import FILE_DOWNLOAD, FILE_UPLOAD, UPLOAD_PATH, DownloadFile, DownloadQuery
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
from shared.membership.resolver import AccessQuery, MembershipResolver, with_fresh_membership

_FORM_BYTES = 16_384
"""What a form takes beside its file."""
_PRIVATE = (b"cache-control", b"no-store")


class _FilePath(Body, kw_only=True, rename=None):
    file_id: Id


class Bounds(Struct, frozen=True, kw_only=True):
    """Of streamed uploads."""

    file_max_bytes: int
    uploads_max: int
    uploads_person_max: int
    upload_timeout_s: float
    tempo: MinimumRate
    call_timeout_ms: int


class UploadAuth(Struct, frozen=True):
    """Who may come in, and how often; who comes by a gateway was counted there."""

    authenticator: Authenticator
    limits: RateLimits
    internal_hop: InternalHop

    async def caller_of(self, exchange: RequestContext) -> Claims:
        """Whose token the request carries.

        Raises `token.missing`, `token.invalid`, `token.expired`, `rate.limited`.
        """
        authorization = exchange.headers.get(b"authorization", b"")
        if self.internal_hop.verify(exchange.headers.get(HEADER), authorization):
            return await self.authenticator.authenticate_uncharged(exchange)
        return await self.authenticator.authenticate(exchange, self.limits)


class FileApp:
    """Answers `POST /api/files/upload` and `GET /api/files/{id}/content`."""

    def __init__(
        self,
        guard: UploadAuth,
        resolver: MembershipResolver,
        receive: ReceiveUpload,
        inbound: Inbound,
        bounds: Bounds,
    ) -> None:
        self._guard = guard
        self._inbound = inbound
        self._resolver = resolver
        self._receive = receive
        self._bounds = bounds
        self._ids = SystemIds()
        self._slots = UploadSlots(bounds.uploads_max, bounds.uploads_person_max)

    def app(self) -> Litestar:
        """The Litestar application of this port, to be put behind an edge."""
        upload = post(UPLOAD_PATH, status_code=201)(litestar_handler(_answered(self._upload)))
        content = get("/api/files/{file_id:str}/content", status_code=302)(
            litestar_handler(_answered(self._content))
        )
        return Litestar(
            [upload, content],
            openapi_config=None,
            logging_config=None,
            exception_handlers=exception_handlers(
                f"Here are {UPLOAD_PATH} and /api/files/<id>/content only."
            ),
        )

    async def _upload(self, exchange: RequestContext) -> Response:
        bounds = self._bounds
        length = _length_of(exchange)
        if length is not None and length > bounds.file_max_bytes + _FORM_BYTES:
            raise FILE_TOO_LARGE.exception(f"A file may have at most {bounds.file_max_bytes} bytes.")
        profile_id = (await self._guard.caller_of(exchange)).sub
        call = self._repeatable(exchange)
        with self._slots.acquire(profile_id):
            async with _within(bounds.upload_timeout_s):
                body = IncomingBody(exchange.receive, bounds.tempo)
                content_type = exchange.headers.get(b"content-type", b"").decode("latin-1")
                incoming = await open_form(content_type, length, body.next)
                admitted = self._admitted(incoming, profile_id, exchange.correlation_id)
                file = await self._receive.receive(incoming, profile_id, admitted, call)
        return respond(201, "application/json", msgspec.json.encode(file), _PRIVATE)

    async def _content(self, exchange: RequestContext) -> Response:
        """The same as through the gateway: what leads to the bytes in S3."""
        profile_id = (await self._guard.caller_of(exchange)).sub
        fields = decode_query(exchange.scope["path_params"].items(), _FilePath)
        query = decode_query(parse_qsl(exchange.scope["query_string"].decode("latin-1"), True), DownloadQuery)
        call = self._call(FILE_DOWNLOAD, exchange)
        asked = DownloadFile(file_id=fields.file_id, profile_id=profile_id, inline=query.inline)
        location = (await self._inbound.download(asked, call)).url.encode()
        return Response(302, [(b"location", location), (b"content-length", b"0"), _PRIVATE])

    def _repeatable(self, exchange: RequestContext) -> Call | None:
        """An upload that came with a key. Raises `validation.failed`."""
        key = key_of(exchange.headers)
        if key is None:
            return None
        return self._call(FILE_UPLOAD, exchange, request_key("POST", UPLOAD_PATH, key))

    def _call(self, operation: Operation, exchange: RequestContext, key: str | None = None) -> Call:
        """The request as if it had come by Kafka."""
        return Call(
            operation=operation,
            correlation_id=exchange.correlation_id,
            call_id=self._ids.text(),
            deadline_ms=now_ms() + self._bounds.call_timeout_ms,
            idempotency_key=key,
            traceparent=exchange.traceparent,
        )

    def _admitted(self, incoming: IncomingFile, profile_id: UUID, correlation_id: str) -> Admitted:
        async def admitted(work: Callable[[], Awaitable[None]]) -> None:
            deadline_ms = now_ms() + self._bounds.call_timeout_ms
            asker = AccessQuery(incoming.channel_id, profile_id, deadline_ms, correlation_id)
            await with_fresh_membership(self._resolver, asker, work)

        return admitted


def _answered(respond: Respond) -> Respond:
    """Return a handler that sets the log context and turns errors into problems."""

    async def answer(exchange: RequestContext) -> Response:
        correlation_id_var.set(exchange.correlation_id)
        traceparent_var.set(exchange.traceparent)
        try:
            return await respond(exchange)
        except ServiceError as error:
            return problem_of(error, exchange)

    return answer


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise BODY_MALFORMED.exception(f"The upload took longer than {seconds:g} s.") from None


def _length_of(exchange: RequestContext) -> int | None:
    length = exchange.headers.get(b"content-length", b"")
    return int(length) if length.isdigit() else None
