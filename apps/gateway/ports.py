"""What the gateway needs from outside, so that tests can stand in for Kafka."""

from msgspec import Struct

from shared.edge.client_address.internal_hop import InternalHop
from shared.edge.uploads.body_reader import MinimumRate


class FileServiceUpstream(Struct, frozen=True, kw_only=True):
    """Where the file service listens, and the bounds of uploads through this gateway."""

    host: str
    port: int
    secure: bool
    uploads_max: int
    uploads_person_max: int
    tempo: MinimumRate
    answer_timeout_s: float
    """How long the answer may take after the last byte."""
    internal_hop: InternalHop

    @property
    def netloc(self) -> str:
        """Host and port as they stand in an address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
