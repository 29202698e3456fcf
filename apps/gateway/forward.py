"""The path of an API call: authenticate, parse, send one record to Kafka, return the bytes of the reply."""

from asyncio import CancelledError

import msgspec
from msgspec import Struct

from apps.gateway.json_body import read_json
from apps.gateway.request_parser import RequestParser
from apps.gateway.routes.route import Route
from shared.contracts.account import Claims
from shared.contracts.errors import MESH_BUSY, ServiceError
from shared.contracts.file import FileLocation
from shared.edge.auth.authenticator import Authenticator
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.idempotency_key import request_key
from shared.edge.problem_responses import problem_of
from shared.edge.rate_limits.policies import RateLimits
from shared.edge.request_context import Headers, RequestContext, Response
from shared.kit.clock import now_ms
from shared.kit.rpc.caller import Caller
from shared.kit.rpc.client import error_of

_encode = msgspec.json.Encoder().encode

_JSON = (b"content-type", b"application/json")
_PRIVATE = (b"cache-control", b"no-store")


class Admission:
    """Admits API requests: none before Kafka is connected, and at most `in_flight_max` at once."""

    def __init__(self, in_flight_max: int) -> None:
        self.in_flight = 0
        self.draining = False
        """True while the process shuts down: a request that is cancelled then can be retried elsewhere."""
        self._in_flight_max = in_flight_max
        self._accepts_calls = False

    def accept_calls(self) -> None:
        """Admit requests from now on: the services can be called."""
        self._accepts_calls = True

    def drain(self) -> None:
        """Begin to shut down."""
        self.draining = True

    def enter(self) -> None:
        """Count a request, which has to `leave`. Raises `mesh.busy` if it is not admitted."""
        if self.in_flight >= self._in_flight_max:
            raise MESH_BUSY.exception("The gateway has too many requests in progress.")
        if not self._accepts_calls:
            raise MESH_BUSY.exception("The gateway is starting and not connected to Kafka yet.")
        self.in_flight += 1

    def leave(self) -> None:
        """Count a request out that entered."""
        self.in_flight -= 1


class CallerChecks(Struct, frozen=True):
    """The checks of a request's caller: authentication, rate limits and network address."""

    authenticator: Authenticator
    limits: RateLimits
    proxies: TrustedProxies


class CallSettings(Struct, frozen=True, kw_only=True):
    """The bounds of one call."""

    body_max_bytes: int
    timeout_ms: int


class Forward:
    """Forwards the requests of one route."""

    def __init__(
        self,
        route: Route,
        client: Caller,
        checks: CallerChecks,
        admission: Admission,
        settings: CallSettings,
    ) -> None:
        self._operation = route.operation
        self._charges_sign_in = route.strict
        self._parser = RequestParser(route)
        self._client = client
        self._checks = checks
        self._admission = admission
        self._settings = settings

    async def __call__(self, context: RequestContext) -> Response:
        """Return the response to one request; errors become problems."""
        admission = self._admission
        try:
            admission.enter()
        except ServiceError as error:
            return problem_of(error, context)
        try:
            return await self._forward(context)
        except ServiceError as error:
            return problem_of(error, context)
        except CancelledError:
            if not admission.draining:
                raise
            return problem_of(shutting_down(), context)
        finally:
            admission.leave()

    async def _forward(self, context: RequestContext) -> Response:
        operation, checks = self._operation, self._checks
        claims: Claims | None = None
        network: str | None = None
        if not operation.public:
            claims = await checks.authenticator.authenticate(context, checks.limits)
        else:
            network = checks.proxies.network_of(context)
            if not self._charges_sign_in:
                checks.limits.charge_public(context)
        if self._charges_sign_in:
            checks.limits.charge_sign_in(context)
        sent_ms, body = context.received_ms, b""
        if operation.body is not None:
            body = await read_json(context.headers, context.receive, self._settings.body_max_bytes)
            sent_ms = now_ms()  # the time that the caller takes to send the body is not part of the timeout
        fields, key = self._parser.parse(context, body, claims, network)
        request = operation.request(**fields)
        scope = context.scope
        reply = await self._client.send_raw(
            operation,
            _encode(request),
            operation.key_of(request),
            correlation_id=context.correlation_id,
            deadline_ms=sent_ms + self._settings.timeout_ms,
            idempotency_key=None if key is None else request_key(scope["method"], scope["path"], key),
            traceparent=context.traceparent,
        )
        if reply.error is not None:
            raise error_of(reply)
        return _success(reply.status, reply.body)


def shutting_down() -> ServiceError:
    """Return the error for a request that is cancelled by the shutdown of this process."""
    return MESH_BUSY.exception("The gateway is shutting down; try again.")


def _success(status: int, body: bytes) -> Response:
    """Return the reply's bytes unchanged, or the redirect that it describes."""
    if status == 204:
        return Response(status, [_PRIVATE])
    if status == 302:
        location = (b"location", msgspec.json.decode(body, type=FileLocation).url.encode())
        return Response(status, [location, (b"content-length", b"0"), _PRIVATE])
    headers: Headers = [_JSON, (b"content-length", b"%d" % len(body)), _PRIVATE]
    return Response(status, headers, body)
