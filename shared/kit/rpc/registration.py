"""Registration of use cases that run in one transaction of their service."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar
from uuid import UUID

from shared.contracts.operation import Operation
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call

U = TypeVar("U")
U_co = TypeVar("U_co", covariant=True)
Dependencies = ParamSpec("Dependencies")
UseCase = Callable[Concatenate[Any, U, Dependencies], Awaitable[Any]]
"""A function of the request, a unit of work, and whatever else it needs."""


class TransactionFactory(Protocol[U_co]):
    """The part of a unit-of-work factory that handlers need."""

    def transaction(self) -> AbstractAsyncContextManager[U_co]:
        """Commit at the end of the block; roll back if it raises."""

    def snapshot(self) -> AbstractAsyncContextManager[U_co]:
        """Read everything as of one moment."""

    async def run_once(self, call: Call, profile_id: UUID, work: Callable[[U_co], Awaitable[Any]]) -> Any:
        """Do the work in a transaction, or return the stored response if this call was handled before."""


class UseCaseRegistrar(Generic[U]):
    """Registers use cases as the handlers of their operations, each in a transaction of its own."""

    def __init__(self, handlers: HandlerRegistry, units: TransactionFactory[U]) -> None:
        self._handlers = handlers
        self._units = units

    def read(
        self,
        operation: Operation,
        usecase: UseCase[U, Dependencies],
        *args: Dependencies.args,
        **kwargs: Dependencies.kwargs,
    ) -> None:
        """Run the use case in a read-only snapshot."""

        async def handle(request: Any, call: Call) -> Any:
            async with self._units.snapshot() as unit:
                return await usecase(request, unit, *args, **kwargs)

        self._handlers.register(operation, handle)

    def change(
        self,
        operation: Operation,
        usecase: UseCase[U, Dependencies],
        *args: Dependencies.args,
        **kwargs: Dependencies.kwargs,
    ) -> None:
        """Run the use case in a transaction; a redelivered call runs it again.

        Raises ValueError for an operation that takes an `Idempotency-Key`: it needs `change_once`.
        """
        if operation.idempotent:
            raise ValueError(f"{operation.name} is idempotent: register it with change_once")

        async def handle(request: Any, call: Call) -> Any:
            async with self._units.transaction() as unit:
                return await usecase(request, unit, *args, **kwargs)

        self._handlers.register(operation, handle)

    def change_once(
        self,
        operation: Operation,
        usecase: UseCase[U, Dependencies],
        *args: Dependencies.args,
        **kwargs: Dependencies.kwargs,
    ) -> None:
        """Run the use case in a transaction, once for each call or `Idempotency-Key`.

        The response is stored in the same transaction; a repetition gets the stored one.
        """

        async def handle(request: Any, call: Call) -> Any:
            return await self._units.run_once(
                call, request.profile_id, lambda unit: usecase(request, unit, *args, **kwargs)
            )

        self._handlers.register(operation, handle)
