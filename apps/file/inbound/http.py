"""The file service's own HTTP port: uploads that are streamed, and the way to downloads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import litestar
import msgspec
from litestar import Litestar, Request, get, post
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import ASGIApp
from msgspec import Struct

from apps.file.inbound.kafka import Inbound
from apps.file.inbound.multipart import IncomingFile, open_form
from apps.file.usecases.receive_upload import Admitted, ReceiveUpload
from shared.contracts.account import Claims
from shared.contracts.base import Body
from shared.contracts.errors import (
    BODY_MALFORMED,
    FILE_TOO_LARGE,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    REQUEST_MALFORMED,
    ROUTE_UNKNOWN,
    ServiceError,
)
from shared.contracts.fields import Id
from shared.contracts.file import FILE_DOWNLOAD, FILE_UPLOAD, UPLOAD_PATH, DownloadFile, DownloadQuery
from shared.contracts.operation import Operation
from shared.contracts.validation import decode_query
from shared.edge.auth.authenticator import Authenticator
from shared.edge.auth.token_verification import caller_of
from shared.edge.client_address.internal_hop import HEADER, InternalHop
from shared.edge.idempotency_key import key_of, request_key
from shared.edge.middleware import log_unexpected
from shared.edge.problem_responses import problem_of
from shared.edge.rate_limits.policies import RateLimits
from shared.edge.request_context import RequestContext, Response, current_exchange, respond
from shared.edge.uploads.body_reader import IncomingBody, MinimumRate
from shared.edge.uploads.upload_slots import UploadSlots
from shared.kit.clock import SystemIds, now_ms
from shared.kit.telemetry.log_context import correlation_id_var, traceparent_var
from shared.kit.wire.call import Call
from shared.membership.resolver import AccessQuery, MembershipResolver, with_fresh_membership

_FORM_BYTES = 16_384
"""What a form takes beside its file."""
_PRIVATE = (b"cache-control", b"no-store")

AnyRequest = Request[Any, Any, Any]
Answer = Callable[[RequestContext], Awaitable[Response]]


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
    passed_on: InternalHop

    async def caller_of(self, exchange: RequestContext) -> Claims:
        """Whose token the request carries.

        Raises `token.missing`, `token.invalid`, `token.expired`, `rate.limited`.
        """
        authorization = exchange.headers.get(b"authorization", b"")
        if self.passed_on.holds(exchange.headers.get(HEADER), authorization):
            return self.authenticator.known(authorization) or await self.authenticator.caller(authorization)
        return await caller_of(exchange, self.authenticator, self.limits)


class FileApp:
    """Answers `POST /api/files/upload` and `GET /api/files/{id}/content`."""

    def __init__(
        self,
        guard: UploadAuth,
        learn: MembershipResolver,
        receive: ReceiveUpload,
        inbound: Inbound,
        bounds: Bounds,
    ) -> None:
        self._guard = guard
        self._inbound = inbound
        self._learn = learn
        self._receive = receive
        self._bounds = bounds
        self._ids = SystemIds()
        self._places = UploadSlots(bounds.uploads_max, bounds.uploads_person_max)

    def app(self) -> Litestar:
        """The Litestar application of this port, to be put behind an edge."""

        @post(UPLOAD_PATH, status_code=201)
        async def upload() -> ASGIApp:
            return await _answered(self._upload)

        @get("/api/files/{file_id:str}/content", status_code=302)
        async def content() -> ASGIApp:
            return await _answered(self._content)

        return Litestar(
            [upload, content],
            openapi_config=None,
            logging_config=None,
            exception_handlers={HTTPException: _on_http_exception, Exception: _on_exception},
        )

    async def _upload(self, exchange: RequestContext) -> Response:
        bounds = self._bounds
        length = _length_of(exchange)
        if length is not None and length > bounds.file_max_bytes + _FORM_BYTES:
            raise FILE_TOO_LARGE.exception(f"A file may have at most {bounds.file_max_bytes} bytes.")
        profile_id = (await self._guard.caller_of(exchange)).sub
        call = self._repeatable(exchange)
        with self._places.take(profile_id):
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
            await with_fresh_membership(self._learn, asker, work)

        return admitted


async def _answered(answer: Answer) -> Response:
    exchange = current_exchange.get()
    correlation_id_var.set(exchange.correlation_id)
    traceparent_var.set(exchange.traceparent)
    try:
        return await answer(exchange)
    except ServiceError as error:
        return problem_of(error, exchange)


def _on_http_exception(request: AnyRequest, exception: HTTPException) -> litestar.Response[bytes]:
    """What Litestar refuses before a handler is asked."""
    if isinstance(exception, NotFoundException):
        return _problem(ROUTE_UNKNOWN.exception(f"Here are {UPLOAD_PATH} and /api/files/<id>/content only."))
    if isinstance(exception, MethodNotAllowedException):
        allowed = (exception.headers or {}).get("allow", "")
        error = METHOD_NOT_ALLOWED.exception(f"This path takes {allowed}.")
        return _problem(error, (b"allow", allowed.encode("latin-1")))
    if exception.status_code < 500:
        return _problem(REQUEST_MALFORMED.exception(f"{exception.detail}."))
    return _on_exception(request, exception)


def _on_exception(request: AnyRequest, exception: Exception) -> litestar.Response[bytes]:
    """What nobody expected: logged, and not told."""
    log_unexpected(current_exchange.get())
    return _problem(INTERNAL_ERROR.exception(""))


def _problem(error: ServiceError, *headers: tuple[bytes, bytes]) -> litestar.Response[bytes]:
    answer = problem_of(error, current_exchange.get(), *headers)
    named = {name.decode("ascii"): value.decode("latin-1") for name, value in answer.headers}
    return litestar.Response(
        answer.body, status_code=answer.status, media_type=named.pop("content-type"), headers=named
    )


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
