"""What the gateway needs from outside, so that tests can stand in for Kafka."""

from typing import Any, Protocol

from shared.contracts.base import Request
from shared.contracts.operation import Operation
from shared.kit.replies import RawReply


class Caller(Protocol):
    """Calls operations of services; `shared.kit.call.MeshClient` in production."""

    @property
    def pending(self) -> int: ...

    async def call(
        self,
        operation: Operation,
        request: Request,
        *,
        correlation_id: str = "",
        deadline_ms: int | None = None,
    ) -> Any: ...

    async def call_raw(
        self,
        operation: Operation,
        body: bytes,
        key: bytes,
        *,
        correlation_id: str,
        deadline_ms: int,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> RawReply: ...
