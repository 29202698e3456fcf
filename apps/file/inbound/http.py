"""The file service's own HTTP port: uploads that are streamed, and the way to downloads."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from msgspec import Struct

from apps.file.inbound.form import IncomingFile, open_form
from apps.file.inbound.mesh import Inbound
from apps.file.usecases.receive_upload import ReceiveUpload
from shared.contracts.account import USER_VERIFY_TOKEN, VerifiedToken, VerifyToken
from shared.contracts.base import Body
from shared.contracts.errors import (
    BODY_MALFORMED,
    BODY_TOO_LARGE,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    REQUEST_MALFORMED,
    ROUTE_UNKNOWN,
    MeshError,
)
from shared.contracts.fields import Id
from shared.contracts.file import FILE_DOWNLOAD, UPLOAD_PATH, DownloadFile, DownloadQuery
from shared.contracts.validation import decode_query
from shared.edge.incoming import IncomingBody, Tempo
from shared.edge.places import Places
from shared.kit.bearer import token_of
from shared.kit.call import MeshClient
from shared.kit.clock import SystemIds, now_ms
from shared.kit.context import correlation_id_var
from shared.kit.correlation import correlation_id_of
from shared.kit.problems import encode_problem, problem_headers
from shared.kit.wire import Call
from shared.membership.learn_access import Asker, LearnAccess, informed

log = logging.getLogger(__name__)

_FORM_BYTES = 16_384
"""What a form takes beside its file."""

AnyRequest = Request[Any, Any, Any]


Answer = Callable[[AnyRequest, str], Awaitable[Response[bytes]]]


class _FilePath(Body, kw_only=True, rename=None):
    file_id: Id


class Bounds(Struct, frozen=True, kw_only=True):
    """Of streamed uploads."""

    file_max_bytes: int
    uploads_max: int
    uploads_person_max: int
    upload_timeout_s: float
    tempo: Tempo
    call_timeout_ms: int


class Door:
    """Answers `POST /api/files/upload` and `GET /api/files/{id}/content`."""

    def __init__(
        self,
        client: MeshClient,
        learn: LearnAccess,
        receive: ReceiveUpload,
        inbound: Inbound,
        bounds: Bounds,
    ) -> None:
        self._client = client
        self._inbound = inbound
        self._learn = learn
        self._receive = receive
        self._bounds = bounds
        self._ids = SystemIds()
        self._places = Places(bounds.uploads_max, bounds.uploads_person_max)

    def app(self) -> Litestar:
        """The Litestar application of this port."""

        @post(UPLOAD_PATH, status_code=201)
        async def upload(request: AnyRequest) -> Response[bytes]:
            return await self._answer(request, self._upload)

        @get("/api/files/{file_id:str}/content", status_code=302)
        async def content(request: AnyRequest) -> Response[bytes]:
            return await self._answer(request, self._content)

        return Litestar(
            [upload, content],
            openapi_config=None,
            logging_config=None,
            exception_handlers={HTTPException: self._on_http_exception, Exception: self._on_exception},
        )

    async def _answer(self, request: AnyRequest, answer: Answer) -> Response[bytes]:
        correlation_id = self._correlation_id(request)
        correlation_id_var.set(correlation_id)
        try:
            response = await answer(request, correlation_id)
        except MeshError as error:
            return _problem(error, request, correlation_id)
        response.headers.update({"cache-control": "no-store", "x-correlation-id": correlation_id})
        return response

    async def _upload(self, request: AnyRequest, correlation_id: str) -> Response[bytes]:
        bounds = self._bounds
        length = _length_of(request)
        if length is not None and length > bounds.file_max_bytes + _FORM_BYTES:
            raise BODY_TOO_LARGE.error(f"A file may have at most {bounds.file_max_bytes} bytes.")
        profile_id = await self._caller(request, correlation_id)
        with self._places.take(profile_id):
            async with _within(bounds.upload_timeout_s):
                body = IncomingBody(request.receive, bounds.tempo)
                incoming = await open_form(request.headers.get("content-type", ""), length, body.next)
                file = await self._receive.receive(
                    incoming, profile_id, self._admitted(incoming, profile_id, correlation_id)
                )
        return Response(msgspec.json.encode(file), status_code=201, media_type="application/json")

    async def _content(self, request: AnyRequest, correlation_id: str) -> Response[bytes]:
        """The same as through the gateway: what leads to the bytes in S3."""
        profile_id = await self._caller(request, correlation_id)
        fields = decode_query(request.path_params.items(), _FilePath)
        query = decode_query(parse_qsl(request.scope["query_string"].decode("latin-1"), True), DownloadQuery)
        call = Call(
            operation=FILE_DOWNLOAD,
            correlation_id=correlation_id,
            call_id=str(self._ids.new()),
            deadline_ms=now_ms() + self._bounds.call_timeout_ms,
        )
        asked = DownloadFile(file_id=fields.file_id, profile_id=profile_id, inline=query.inline)
        location = await self._inbound.download(asked, call)
        return Response(b"", status_code=302, headers={"location": location.url})

    async def _caller(self, request: AnyRequest, correlation_id: str) -> UUID:
        """Whose token it is; auth knows which sessions have ended."""
        authorization = request.headers.get("authorization")
        token = token_of(None if authorization is None else authorization.encode("latin-1"))
        verified: VerifiedToken = await self._client.call(
            USER_VERIFY_TOKEN, VerifyToken(token=token), correlation_id=correlation_id
        )
        return verified.profile.id

    def _admitted(
        self, incoming: IncomingFile, profile_id: UUID, correlation_id: str
    ) -> Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]:
        async def admitted(work: Callable[[], Awaitable[None]]) -> None:
            deadline_ms = now_ms() + self._bounds.call_timeout_ms
            asker = Asker(incoming.channel_id, profile_id, deadline_ms, correlation_id)
            await informed(self._learn, asker, work)

        return admitted

    def _correlation_id(self, request: AnyRequest) -> str:
        header = request.headers.get("x-correlation-id")
        return correlation_id_of(None if header is None else header.encode("latin-1"), self._ids.new)

    def _on_http_exception(self, request: AnyRequest, exception: HTTPException) -> Response[bytes]:
        if isinstance(exception, NotFoundException):
            error = ROUTE_UNKNOWN.error(f"Here are {UPLOAD_PATH} and /api/files/<id>/content only.")
        elif isinstance(exception, MethodNotAllowedException):
            error = METHOD_NOT_ALLOWED.error("This path takes another method.")
        elif exception.status_code < 500:
            error = REQUEST_MALFORMED.error(f"{exception.detail}.")
        else:
            return self._on_exception(request, exception)
        return _problem(error, request, self._correlation_id(request))

    def _on_exception(self, request: AnyRequest, exception: Exception) -> Response[bytes]:
        log.error("an upload failed in a way that nobody expected", exc_info=exception)
        return _problem(INTERNAL_ERROR.error(""), request, self._correlation_id(request))


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise BODY_MALFORMED.error(f"The upload took longer than {seconds:g} s.") from None


def _length_of(request: AnyRequest) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _problem(error: MeshError, request: AnyRequest, correlation_id: str) -> Response[bytes]:
    body = encode_problem(error, request.scope["raw_path"].decode("latin-1"), correlation_id)
    headers = {name.decode(): value.decode("latin-1") for name, value in problem_headers(error, body)}
    headers["x-correlation-id"] = correlation_id
    return Response(
        body, status_code=error.kind.status, media_type=headers.pop("content-type"), headers=headers
    )
