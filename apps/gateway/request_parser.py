"""Parser of HTTP requests into the fields of an operation's request; it reports all errors at once."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from apps.gateway.routes.route import Route
from shared.contracts.account import Claims
from shared.contracts.errors import VALIDATION_FAILED, FieldError, ServiceError
from shared.contracts.validation import decode_body, decode_query, validation_failed
from shared.edge.idempotency_key import key_of
from shared.edge.request_context import RequestContext

_QUERY_FIELDS_MAX = 100
_USER_AGENT_MAX_CHARS = 256


class RequestParser:
    """Parses the inputs of one route: path, query, headers, body and caller."""

    def __init__(self, route: Route) -> None:
        operation = route.operation
        fields = {field.encode_name: field for field in msgspec.structs.fields(operation.request)}
        missing = set(route.parameters) - fields.keys()
        if missing:
            raise ValueError(f"{route.path}: {operation.name} has no field {', '.join(sorted(missing))}")
        names = {field.name for field in fields.values()}
        self._path = _path_struct(route.parameters, fields) if route.parameters else None
        self._query = operation.query
        self._body = operation.body
        self._takes_key = operation.idempotent
        self._profile = "profile_id" in names and not operation.public
        self._session = "session_id" in names
        self._user_agent = "user_agent" in names
        self._network = "network" in names

    def parse(
        self, context: RequestContext, body: bytes, claims: Claims | None, network: str | None
    ) -> tuple[dict[str, Any], str | None]:
        """Return the request's fields, and the idempotency key.

        Raises `validation.failed` with every field error.
        """
        scope, headers = context.scope, context.headers
        fields: dict[str, Any] = {}
        errors: list[FieldError] = []
        if self._path is not None:
            _collect(fields, errors, _decode_path, scope["path_params"], self._path)
        if self._query is not None:
            _collect(fields, errors, _decode_query, scope["query_string"], self._query)
        key = _key_of(headers, errors) if self._takes_key else None
        if self._body is not None:
            _collect(fields, errors, decode_body, body, self._body)
        if errors:
            raise validation_failed(errors)
        # Fields of the caller come last, so that they replace anything that was sent.
        if claims is not None:
            if self._profile:
                fields["profile_id"] = claims.sub
            if self._session:
                fields["session_id"] = claims.sid
        if self._user_agent:
            fields["user_agent"] = _printable(headers.get(b"user-agent", b""))
        if self._network:
            fields["network"] = network
        return fields, key


def _path_struct(parameters: tuple[str, ...], fields: Mapping[str, Any]) -> type[Struct]:
    definitions = [(fields[name].name, fields[name].type) for name in parameters]
    return msgspec.defstruct("Path", definitions, rename={fields[name].name: name for name in parameters})


def _collect(
    fields: dict[str, Any],
    errors: list[FieldError],
    decode: Callable[[Any, type[Struct]], Struct],
    raw: Any,
    struct: type[Struct],
) -> None:
    """Add the fields of one part of the input, or all of its errors."""
    try:
        fields.update(asdict(decode(raw, struct)))
    except ServiceError as error:
        if error.code is not VALIDATION_FAILED:
            raise
        errors.extend(error.errors)


def _key_of(headers: Mapping[bytes, bytes], errors: list[FieldError]) -> str | None:
    try:
        return key_of(headers)
    except ServiceError as error:
        errors.extend(error.errors)
        return None


def _decode_path(path: Mapping[str, str], struct: type[Struct]) -> Struct:
    try:
        return msgspec.convert(path, struct)
    except msgspec.ValidationError:
        return decode_query(path.items(), struct)  # raises as well, with every error


def _decode_query(query: bytes, struct: type[Struct]) -> Struct:
    if not query:
        return decode_query((), struct)
    try:
        text = query.decode("latin-1")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX)
    except ValueError:
        error = FieldError("$", f"a query may have at most {_QUERY_FIELDS_MAX} fields")
        raise validation_failed((error,)) from None
    return decode_query(pairs, struct)


def _printable(user_agent: bytes) -> str | None:
    text = user_agent[:_USER_AGENT_MAX_CHARS].decode("latin-1")
    return "".join(character for character in text if character.isprintable()).strip() or None
