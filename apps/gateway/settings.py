"""The settings of the gateway."""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from apps.gateway.ports import FileServiceUpstream
from shared.edge.client_address.internal_hop import InternalHop
from shared.edge.settings import EdgeSettings, is_origin
from shared.edge.uploads.body_reader import MinimumRate
from shared.kit.http.hosts import reachable
from shared.kit.security.record_signatures import signatures_of


class GatewaySettings(EdgeSettings, frozen=True, kw_only=True):
    """The gateway's own settings, in addition to those of every process with a port for clients."""

    gateway_host: Annotated[str, Meta(description="Address that the gateway listens on")] = "127.0.0.1"
    gateway_port: Annotated[int, Meta(ge=1, le=65535, description="Port that it listens on")] = 3001
    in_flight_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="API requests in flight; more get mesh.busy")
    ] = 2048
    connections_max: Annotated[int, Meta(ge=1, le=1_000_000, description="Open connections")] = 10_000
    body_max_bytes: Annotated[int, Meta(ge=1024, le=16_777_216, description="Size of a request's body")] = (
        65_536
    )
    body_timeout_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="Time for a request's body to arrive")
    ] = 10_000
    head_max_bytes: Annotated[
        int, Meta(ge=1024, le=1_048_576, description="Size of a request's target and headers together")
    ] = 32_768
    head_timeout_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="Time for a request's headers to arrive")
    ] = 10_000
    file_service_url: Annotated[
        str,
        Meta(description="Address of the file service for the gateway; empty: FILE_HOST and FILE_PORT"),
    ] = ""
    uploads_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Uploads forwarded at once; more get mesh.busy")
    ] = 64
    uploads_person_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Uploads of one profile forwarded at once; more get 429")
    ] = 4
    upload_timeout_ms: Annotated[
        int, Meta(ge=1_000, le=86_400_000, description="Time for the body of an upload to arrive")
    ] = 600_000
    upload_stall_timeout_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="Time that an upload may pause")
    ] = 20_000
    upload_answer_timeout_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="Time for the response after an upload's last byte")
    ] = 70_000
    keep_alive_ms: Annotated[
        int, Meta(ge=0, le=600_000, description="Time that an idle connection stays open")
    ] = 30_000
    drain_notice_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=60_000,
            description="Time that a gateway in shutdown still accepts requests, while not ready",
        ),
    ] = 0
    sign_in_limit_per_minute: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="Sign-ins, sign-ups and password changes per network, all at once if need be",
        ),
    ] = 10

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the addresses."""
        yield from super().problems()
        if self.file_service_url and not is_origin(self.file_service_url.rstrip("/")):
            yield "FILE_SERVICE_URL must be like http://file.example.org:3002"

    @property
    def address(self) -> str:
        """The public address, without a trailing slash."""
        return self.public_url.rstrip("/") or f"http://localhost:{self.gateway_port}"

    @property
    def file_address(self) -> str:
        """The public address of the file service, without a trailing slash."""
        return self.file_public_url.rstrip("/") or f"http://localhost:{self.file_port}"

    @property
    def file_service(self) -> FileServiceUpstream:
        """The file service's port, with the bounds of uploads."""
        host, port, secure = reachable(self.file_host), self.file_port, False
        if self.file_service_url:
            parts = urlsplit(self.file_service_url)
            secure = parts.scheme == "https"
            host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        return FileServiceUpstream(
            host=host,
            port=port,
            secure=secure,
            uploads_max=self.uploads_max,
            uploads_person_max=self.uploads_person_max,
            minimum_rate=MinimumRate(
                stall_timeout_s=self.upload_stall_timeout_ms / 1000,
                rate_min_bytes_s=self.upload_rate_min_bytes_s,
                rate_window_s=self.upload_rate_window_ms / 1000,
            ),
            response_timeout_s=self.upload_answer_timeout_ms / 1000,
            internal_hop=InternalHop(signatures_of(self)),
        )
