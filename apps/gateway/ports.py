"""The file service as an upstream of the gateway."""

from msgspec import Struct

from shared.edge.client_address.internal_hop import InternalHop
from shared.edge.uploads.body_reader import MinimumRate


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
