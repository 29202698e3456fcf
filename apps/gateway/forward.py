"""The way of every API call: caller → inputs → one record to Kafka → the reply's bytes back to the caller."""

from asyncio import CancelledError

import msgspec
from msgspec import Struct

from apps.gateway.json_body import read_json
from apps.gateway.ports import Caller
from apps.gateway.request_parser import RequestParser
from apps.gateway.routes.route import Route
from shared.contracts.account import Claims
from shared.contracts.errors import MESH_BUSY, ServiceError
from shared.contracts.file import FileLocation
from shared.edge.auth.authenticator import Authenticator
from shared.edge.auth.token_verification import caller_of
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.idempotency_key import request_key
from shared.edge.problem_responses import problem_of
from shared.edge.rate_limits.policies import RateLimits
from shared.edge.request_context import Headers, RequestContext, Response
from shared.kit.clock import now_ms
from shared.kit.rpc.client import error_of

_encode = msgspec.json.Encoder().encode

_JSON = (b"content-type", b"application/json")
_PRIVATE = (b"cache-control", b"no-store")


class ApiState(Struct, eq=False):
    """What all routes share: the way to the services, and how many requests are in hand."""

    caller: Caller
    authenticator: Authenticator
    proxies: TrustedProxies
    limits: RateLimits
    in_flight_max: int
    body_max_bytes: int
    call_timeout_ms: int
    in_flight: int = 0
    open: bool = False
    """Whether the services can be called: not before Kafka is there."""
    draining: bool = False
    """The process is leaving: a request that is cut off now may be tried again elsewhere."""

    def open_now(self) -> None:
        """From now on the services can be called."""
        self.open = True

    async def caller_of(self, context: RequestContext) -> Claims:
        """Whose token the request carries; the request is counted for that profile.

        Raises `token.missing`, `token.invalid`, `token.expired`, `rate.limited`.
        """
        return await caller_of(context, self.authenticator, self.limits)


class Forward:
    """Forwards the requests of one route."""

    def __init__(self, route: Route, desk: ApiState) -> None:
        self._operation = route.operation
        self._strict = route.strict
        self._inputs = RequestParser(route)
        self._desk = desk

    async def __call__(self, context: RequestContext) -> Response:
        """The answer to one request, a problem where it went wrong."""
        desk = self._desk
        if desk.in_flight >= desk.in_flight_max:
            return problem_of(
                MESH_BUSY.exception("The gateway has all the requests in hand that it may."), context
            )
        desk.in_flight += 1
        try:
            return await self._forward(context)
        except ServiceError as error:
            return problem_of(error, context)
        except CancelledError:
            if not desk.draining:
                raise
            return problem_of(MESH_BUSY.exception("The gateway is leaving; try again."), context)
        finally:
            desk.in_flight -= 1

    async def _forward(self, context: RequestContext) -> Response:
        desk, operation, headers = self._desk, self._operation, context.headers
        if not desk.open:
            raise MESH_BUSY.exception("The gateway is starting: Kafka is not there yet.")
        claims = network = None
        if operation.public:
            if not self._strict:
                desk.limits.charge_public(context)
            network = desk.proxies.network_of(context)
        else:
            claims = await desk.caller_of(context)
        if self._strict:
            desk.limits.charge_sign_in(context)
        body = b""
        if operation.body is not None:
            body = await read_json(headers, context.receive, desk.body_max_bytes)
        scope = context.scope
        fields, key = self._inputs.read(
            scope["path_params"], scope["query_string"], headers, body, claims, network
        )
        request = operation.request(**fields)
        reply = await desk.caller.send_raw(
            operation,
            _encode(request),
            operation.key_of(request),
            correlation_id=context.correlation_id,
            deadline_ms=now_ms() + desk.call_timeout_ms,
            idempotency_key=None if key is None else request_key(scope["method"], scope["path"], key),
            traceparent=context.traceparent,
        )
        if reply.error is not None:
            raise error_of(reply)
        return _success(reply.status, reply.body)


def _success(status: int, body: bytes) -> Response:
    """The bytes of the reply as they came; of a redirect the place."""
    if status == 204:
        return Response(status, [_PRIVATE])
    if status == 302:
        location = (b"location", msgspec.json.decode(body, type=FileLocation).url.encode())
        return Response(status, [location, (b"content-length", b"0"), _PRIVATE])
    headers: Headers = [_JSON, (b"content-length", b"%d" % len(body)), _PRIVATE]
    return Response(status, headers, body)
