"""A database with the kit's tables, a Postgres that a test may kill, and a service with its own topics."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from cli.config.ports import free_port
from cli.embedded.postgres import EmbeddedPostgres
from shared.contracts.topics import CONSUMER_GROUPS, RETRY_DELAYS_S, retry_topic
from shared.kit.database.database import Database
from shared.kit.dead_letters.publisher import DeadLetterPublisher
from shared.kit.events.processor import EventProcessor
from shared.kit.security.record_signatures import RecordSigner
from tests.integration.kit.facts import make_tables
from tests.integration.kit.inbox_place import PARTITIONS, Place
from tests.integration.kit.mesh import make_topics


@pytest.fixture
async def facts_url(database_url: Callable[[], str]) -> str:
    """Return the URL of a database with outbox, requests and `things (id int primary key, name text)`."""
    url = database_url()
    await make_tables(url)
    return url


@pytest.fixture
async def database(facts_url: str) -> AsyncIterator[Database]:
    """Yield that database, open."""
    opened = await Database.open(facts_url)
    yield opened
    await opened.close()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a Postgres of the test's own, to be killed and restarted."""
    postgres = EmbeddedPostgres(
        tmp_path / "postgres", free_port(), tmp_path / "postgres.log", {"fsync": "off"}
    )
    try:
        postgres.start()
        postgres.wait_ready()
        yield postgres
    finally:
        postgres.stop()


@pytest.fixture
async def place(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    service = f"t{secrets.token_hex(4)}"
    monkeypatch.setitem(CONSUMER_GROUPS, service, f"{service}-group")
    place = Place(kafka_bootstrap, service)
    retries = [retry_topic(service, delay_s) for delay_s in RETRY_DELAYS_S]
    await make_topics(kafka_bootstrap, place.topic, *retries, partitions=PARTITIONS)
    await make_topics(kafka_bootstrap, place.dead, partitions=1)
    return place


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    made = EventProcessor.__init__

    def quick(
        self: EventProcessor, service: str, failures: DeadLetterPublisher, signatures: RecordSigner
    ) -> None:
        made(self, service, failures, signatures)
        self._delays_s = dict.fromkeys(self._delays_s, 0.2)  # type: ignore[arg-type]

    monkeypatch.setattr(EventProcessor, "__init__", quick)
