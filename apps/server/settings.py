"""Settings of the server service, in addition to those of every service."""

from typing import Annotated

from msgspec import Meta

from shared.kit.config.settings import ProcessSettings, Secret


class ServerSettings(ProcessSettings, frozen=True, kw_only=True):
    """Settings of the server service."""

    server_database_url: Annotated[
        Secret, Meta(description="postgresql://user:password@host:port/name of the server service's database")
    ]
    server_clean_up_s: Annotated[
        int, Meta(ge=1, le=86_400, description="Pause between two rounds of purging deleted servers")
    ] = 30
