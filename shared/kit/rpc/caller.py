"""The interface of a client of the services, for modules that call operations."""

from collections.abc import Awaitable
from typing import Any, Protocol

from msgspec import Struct

from shared.contracts.base import Request
from shared.contracts.operation import Operation


class RawReply(Struct, frozen=True):
    """A reply that is not decoded: `body` is the body of the HTTP response, `error` the code of an error."""

    status: int
    body: bytes
    error: str | None = None


class Caller(Protocol):
    """Calls operations of services; `shared.kit.rpc.client.RpcClient` in production."""

    @property
    def pending(self) -> int:
        """The number of calls that wait for their replies."""
        ...

    async def call(
        self,
        operation: Operation,
        request: Request,
        *,
        correlation_id: str = "",
        deadline_ms: int | None = None,
    ) -> Any:
        """Call an operation and return its answer. Raises the ServiceError of an error reply."""
        ...

    def send_raw(
        self,
        operation: Operation,
        body: bytes,
        key: bytes,
        *,
        correlation_id: str,
        deadline_ms: int | None = None,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Awaitable[RawReply]:
        """Send an encoded request and return its reply, which may be an error."""
        ...
