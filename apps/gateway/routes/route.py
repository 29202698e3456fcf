"""Declarations of routes and pages: the source of their handlers and of the OpenAPI document."""

import re
from collections.abc import Awaitable, Callable

from msgspec import Struct

from shared.contracts.operation import Operation
from shared.edge.request_context import RequestContext, Response

_PARAMETER = re.compile(r"{(\w+)}")


class Route(Struct, frozen=True):
    """An operation of a service at an HTTP method and path; `{names}` are fields of its request."""

    method: str
    path: str
    operation: Operation
    tag: str
    strict: bool = False
    """It could be used to guess passwords or e-mails, so it counts for the sign-in limit."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters in the path, by the JSON names of the fields."""
        return parameters_of(self.path)


class Page(Struct, frozen=True, kw_only=True):
    """A path that the gateway answers itself, with GET."""

    path: str
    name: str
    summary: str
    description: str = ""
    tag: str = "About"
    media_types: tuple[str, ...]
    outcomes: dict[int, str]
    schema: type[Struct] | None = None
    """The schema of the JSON response, if it is documented."""
    respond: Callable[[RequestContext], Awaitable[Response]]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters in the path."""
        return parameters_of(self.path)


def parameters_of(path: str) -> tuple[str, ...]:
    """Return the parameters in a path, in order."""
    return tuple(_PARAMETER.findall(path))


def litestar_path(path: str) -> str:
    """Return the path in Litestar's syntax: parameters are strings; one named `…Path` may contain slashes."""

    def typed(match: re.Match[str]) -> str:
        return f"{{{match[1]}:{'path' if match[1].endswith('Path') else 'str'}}}"

    return _PARAMETER.sub(typed, path)
