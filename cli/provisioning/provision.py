"""Makes everything that services need exist: topics in Kafka, tables in their databases. As often as you
like.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cli.errors import ConcordError
from migrations.runner import head_of, migrate
from shared.contracts.errors import ServiceError
from shared.contracts.topics import all_topics
from shared.kit.config.env import Secret, load
from shared.kit.config.settings import ProcessSettings, ToolSettings
from shared.kit.kafka.options import kafka_options
from shared.kit.kafka.topic_admin import WAIT_S, TopicsAwayError, TopicsError, ensure_topics

_log = logging.getLogger(__name__)

_RETRY_S = 0.5


_Url = Annotated[Secret, Meta(description="postgresql://user:password@host:port/name")]


class PrepareError(ConcordError):
    """Something that is needed could not be made; the text says what, and what to look at."""


class NotReadyError(PrepareError):
    """Only Kafka or a database was missing, which may still come; the text is the same."""


class PrepareSettings(ToolSettings, frozen=True, kw_only=True):
    """Where things are to be made. A service without an URL is not prepared here."""

    auth_database_url: _Url = ""
    server_database_url: _Url = ""
    message_database_url: _Url = ""
    file_database_url: _Url = ""

    def database_urls(self) -> dict[str, str]:
        """The URL of each service's database, of those that are named."""
        urls = {
            "auth": self.auth_database_url,
            "server": self.server_database_url,
            "message": self.message_database_url,
            "file": self.file_database_url,
        }
        return {service: url for service, url in urls.items() if url}


def prepare(environ: Mapping[str, str]) -> None:
    """Create the missing topics and run the missing migrations, the two side by side.

    Waits for Kafka and Postgres for 30 s. Several may do it at once. Raises `PrepareError`, of which
    `NotReadyError` means that only these are missing, and
    `SettingsError` for an environment that makes no sense.
    """
    asyncio.run(prepare_all(load(PrepareSettings, environ)))


async def prepare_all(settings: PrepareSettings, *, wait_s: float = WAIT_S) -> None:
    """The same within an event loop."""
    alembic = asyncio.Lock()
    outcomes = await asyncio.gather(
        _topics(settings, wait_s),
        *(_tables(service, url, wait_s, alembic) for service, url in settings.database_urls().items()),
        return_exceptions=True,
    )
    faults = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for fault in faults:
        if not isinstance(fault, PrepareError):
            raise fault
    if faults:
        kind = NotReadyError if all(isinstance(fault, NotReadyError) for fault in faults) else PrepareError
        raise kind("\n".join(str(fault) for fault in faults))


async def _topics(settings: ProcessSettings, wait_s: float) -> None:
    topics = all_topics(settings.kafka_partitions)
    try:
        options = kafka_options(settings)
        report = await ensure_topics(
            options, topics, replication_factor=settings.kafka_replication_factor, wait_s=wait_s
        )
    except TopicsAwayError as error:
        raise NotReadyError(str(error)) from error
    except (TopicsError, OSError) as error:
        raise PrepareError(str(error)) from error
    if report.created:
        _log.info("created %d topics", len(report.created))


async def _tables(service: str, url: str, wait_s: float, alembic: asyncio.Lock) -> None:
    """Migrate, trying again while Postgres is not there. Alembic's context is one for the whole process."""
    if head_of(service) is None:
        return
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            async with alembic:
                await migrate(service, url)
        except ServiceError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise NotReadyError(_not_ready(service, error)) from error
            await asyncio.sleep(_RETRY_S)
        else:
            return


def _not_ready(service: str, error: ServiceError) -> str:
    cause = error.__cause__
    reason = error.detail if cause is None else f"{type(cause).__name__}: {cause}"
    return f"The database of {service} ({service.upper()}_DATABASE_URL) is not ready: {reason}"
