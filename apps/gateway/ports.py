"""The ports of the gateway: the client of the services, and the file service upstream."""

from typing import Protocol

from msgspec import Struct

from shared.contracts.operation import Operation
from shared.edge.auth import jwks_cache
from shared.edge.client_address.internal_hop import InternalHop
from shared.edge.uploads.body_reader import MinimumRate
from shared.kit.rpc.reply_consumer import RawReply


class ServiceClient(jwks_cache.ServiceClient, Protocol):
    """Client of the operations of services; `shared.kit.rpc.client.RpcClient` in production."""

    @property
    def pending(self) -> int: ...

    async def send_raw(
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


class FileServiceUpstream(Struct, frozen=True, kw_only=True):
    """The address of the file service, and the bounds of uploads through this gateway."""

    host: str
    port: int
    secure: bool
    uploads_max: int
    uploads_person_max: int
    minimum_rate: MinimumRate
    response_timeout_s: float
    """Time for the response after the last byte of the upload."""
    internal_hop: InternalHop

    @property
    def netloc(self) -> str:
        """Host and port as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
