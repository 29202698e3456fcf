"""Publishing a change of a server."""

from apps.server.domain.servers import ServerRecord
from apps.server.ports import UnitOfWork
from shared.contracts.base import Answer
from shared.contracts.event import EventType


async def publish_change(unit: UnitOfWork, server: ServerRecord, event_type: EventType, data: Answer) -> None:
    """Increment the revision of a locked server and publish the event; the caller saves the server."""
    server.revision += 1
    await unit.events.publish(event_type, server.id, server.revision, data)
