"""What a service answers: its handlers by operation, each called for one request or for many at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from shared.contracts.base import Answer, Request
from shared.contracts.catalogue import operations_of
from shared.contracts.errors import MeshError
from shared.contracts.operation import Operation
from shared.kit.wire.call import Call, Reply

R = TypeVar("R", bound=Request)


class Asked(Struct, Generic[R]):
    """A request and what travelled with it."""

    request: R
    call: Call


Outcome = Answer | Reply | MeshError | None


class Later(Struct):
    """Outcome of a request that was put aside, so that it does not hold up its batch."""

    outcome: Awaitable[Outcome]


OneHandler = Callable[[Any, Call], Awaitable[Answer | Reply | None]]
ManyHandler = Callable[[Sequence[Asked[Any]]], Awaitable[Sequence[Outcome | Later]]]


class Answers:
    """The handlers of one service. `missing` tells which operations of its contract have none yet."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.ones: dict[str, OneHandler] = {}
        self.manys: dict[str, ManyHandler] = {}

    def one(self, operation: Operation, handler: OneHandler) -> None:
        """Answer each request by itself: in order for one key, side by side for different ones."""
        self._check(operation, many=False)
        self.ones[operation.name] = handler

    def many(self, operation: Operation, handler: ManyHandler) -> None:
        """Answer all that queued up at once, in one transaction; outcomes in the order asked."""
        self._check(operation, many=True)
        self.manys[operation.name] = handler

    def missing(self) -> list[str]:
        """Names of the operations that nobody answers."""
        answered = self.ones.keys() | self.manys.keys()
        return [operation.name for operation in operations_of(self.service) if operation.name not in answered]

    def _check(self, operation: Operation, *, many: bool) -> None:
        if operation.service != self.service:
            raise ValueError(f"{operation.name} belongs to {operation.service}, not to {self.service}")
        if operation.many is not many:
            raise ValueError(f"{operation.name} is declared many={operation.many}")
        if operation.name in self.ones or operation.name in self.manys:
            raise ValueError(f"{operation.name} has a handler already")
