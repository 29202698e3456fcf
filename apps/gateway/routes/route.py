"""What a route is: a declaration from which the handler and its page in the OpenAPI document are made."""

import re
from collections.abc import Awaitable, Callable

from msgspec import Struct

from shared.contracts.operation import Operation
from shared.edge.request_context import RequestContext, Response

_PARAMETER = re.compile(r"{(\w+)}")


class Route(Struct, frozen=True):
    """An operation of a service under an HTTP method and path; `{names}` are fields of its request."""

    method: str
    path: str
    operation: Operation
    tag: str
    strict: bool = False
    """Passwords or e-mails could be guessed by it: it has the limit of sign-ins."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path, as fields are named in JSON."""
        return parameters_of(self.path)


class Page(Struct, frozen=True, kw_only=True):
    """Something that the gateway answers by itself, under GET."""

    path: str
    name: str
    summary: str
    description: str = ""
    tag: str = "About"
    media_types: tuple[str, ...]
    outcomes: dict[int, str]
    schema: type[Struct] | None = None
    """The shape of a JSON answer, when it is worth telling."""
    respond: Callable[[RequestContext], Awaitable[Response]]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return parameters_of(self.path)


def parameters_of(path: str) -> tuple[str, ...]:
    """The names in a path, in their order."""
    return tuple(_PARAMETER.findall(path))


def litestar_path(path: str) -> str:
    """The path as Litestar writes it: a parameter is text, one named `…Path` has slashes in it."""

    def typed(found: re.Match[str]) -> str:
        return f"{{{found[1]}:{'path' if found[1].endswith('Path') else 'str'}}}"

    return _PARAMETER.sub(typed, path)
