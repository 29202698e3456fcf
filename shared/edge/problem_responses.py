"""Responses for errors (RFC 9457)."""

from shared.contracts.errors import ServiceError
from shared.edge.request_context import RequestContext, Response
from shared.kit.http.problem_details import encode_problem, problem_headers


def problem_of(error: ServiceError, context: RequestContext, *headers: tuple[bytes, bytes]) -> Response:
    """Return the response for an error."""
    body = encode_problem(error, address_of(context), context.correlation_id)
    return Response(error.code.status, [*problem_headers(error, body), *headers], body)


def address_of(context: RequestContext) -> str:
    """Return the path of the request, still percent-encoded, without the query."""
    return str(context.scope["raw_path"], "latin-1")
