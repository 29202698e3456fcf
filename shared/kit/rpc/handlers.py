"""The registry of a service's handlers: one for each operation, called per request or per batch."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from shared.contracts.base import Answer, Request
from shared.contracts.catalogue import operations_of
from shared.contracts.errors import INTERNAL_ERROR, ServiceError
from shared.contracts.operation import Operation
from shared.kit.wire.call import Call, Reply

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Request)


class Received(Struct, Generic[R]):
    """A decoded request and the envelope it came in."""

    request: R
    call: Call


Result = Answer | Reply | ServiceError | None


class Deferred(Struct):
    """The result of a request that is finished outside its batch, so that it does not delay the others."""

    outcome: Awaitable[Result]


Handler = Callable[[Any, Call], Awaitable[Answer | Reply | None]]
BatchHandler = Callable[[Sequence[Received[Any]]], Awaitable[Sequence[Result | Deferred]]]


class HandlerRegistry:
    """The handlers of one service, by the name of the operation."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.single: dict[str, Handler] = {}
        self.batch: dict[str, BatchHandler] = {}

    def register(self, operation: Operation, handler: Handler) -> None:
        """Call `handler` once per request: in order for one key, concurrently for different keys.

        Raises ValueError if the operation is of another service, is declared as a batch, or has a handler.
        """
        self._check(operation, many=False)
        self.single[operation.name] = handler

    def register_batch(self, operation: Operation, handler: BatchHandler) -> None:
        """Call `handler` with all queued requests at once; it returns their results in the same order.

        Raises ValueError if the operation belongs to another service, is not a batch, or has a handler.
        """
        self._check(operation, many=True)
        self.batch[operation.name] = handler

    def unhandled(self) -> list[str]:
        """Return the names of the service's operations that have no handler."""
        handled = self.single.keys() | self.batch.keys()
        return [operation.name for operation in operations_of(self.service) if operation.name not in handled]

    def _check(self, operation: Operation, *, many: bool) -> None:
        if operation.service != self.service:
            raise ValueError(f"{operation.name} belongs to {operation.service}, not to {self.service}")
        if operation.many is not many:
            raise ValueError(f"{operation.name} is declared many={operation.many}")
        if operation.name in self.single or operation.name in self.batch:
            raise ValueError(f"{operation.name} has a handler already")


def error_of_exception(raised: BaseException, call: Call) -> ServiceError:
    """Return the error to reply with after a handler raised, so that every request has a result.

    Raises `raised` itself if the current task is being cancelled or the process exits.
    """
    if isinstance(raised, ServiceError):
        return raised
    if isinstance(raised, TimeoutError):
        return call.expired()
    name = call.operation.name
    if isinstance(raised, asyncio.CancelledError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise raised
        log.error("%s awaited something that was cancelled", name)
    elif isinstance(raised, Exception):
        log.error("%s failed", name, exc_info=raised)
    else:
        raise raised
    return INTERNAL_ERROR.exception("The request could not be carried out.")
