"""What the message service reads from its environment, beside what every service reads."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from apps.message.domain.content_keys import read_keys
from shared.kit.config.settings import ProcessSettings, Secret


class MessageSettings(ProcessSettings, frozen=True, kw_only=True):
    """Settings of the message service."""

    message_database_url: Annotated[
        Secret,
        Meta(description="postgresql://user:password@host:port/name of the message service's database"),
    ]
    message_content_keys: Annotated[
        tuple[str, ...],
        Meta(
            description="Keys that encrypt contents at rest, id:base64 of 32 bytes each; the first writes. "
            "plain in the first place: contents are written as they are",
            extra={"secret": True},
        ),
    ] = ()
    message_lanes: Annotated[
        int, Meta(ge=1, le=64, description="Locked channels waited for at once, each with a connection")
    ] = 4
    message_history_connections: Annotated[
        int, Meta(ge=1, le=256, description="Connections that read histories")
    ] = 8
    message_purge_s: Annotated[
        int, Meta(ge=1, le=86_400, description="Pause between two rounds of purging deleted channels")
    ] = 5

    def problems(self) -> Iterator[str]:
        """Contents are only encrypted with keys that are some."""
        yield from super().problems()
        try:
            read_keys(self.message_content_keys)
        except ValueError as error:
            yield f"MESSAGE_CONTENT_KEYS: {error}"
