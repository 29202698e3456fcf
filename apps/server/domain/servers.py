"""Servers: the entity."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.event import ServerFact
from shared.contracts.server import Channel, Server


@dataclass(slots=True, kw_only=True)
class ServerRecord:
    """A stored server. `revision` counts the changes of the server, its channels and its members."""

    id: UUID
    name: str
    image_url: str | None
    invite_code: str
    profile_id: UUID
    revision: int
    channel_count: int
    member_count: int
    created_at: datetime
    updated_at: datetime

    def fact(self) -> ServerFact:
        """Return the fields that events carry."""
        return ServerFact(id=self.id, name=self.name, profile_id=self.profile_id)

    def answer(self, channels: list[Channel]) -> Server:
        """Return the server as its members see it."""
        return Server(
            id=self.id,
            name=self.name,
            image_url=self.image_url,
            invite_code=self.invite_code,
            profile_id=self.profile_id,
            channels=channels,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )
