"""Infrastructure that a fault test may break: Kafka, Postgres and processes of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.config.ports import free_port
from cli.embedded.databases import run_sql
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from cli.embedded.postgres import EmbeddedPostgres
from tests.e2e.concord import Concord
from tests.e2e.conftest import SERVICES, make_databases


class Mesh:
    """A whole Concord with its Kafka and Postgres, which are as durable as in production."""

    def __init__(self, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, concord: Concord) -> None:
        self.kafka = kafka
        self.postgres = postgres
        self.concord = concord

    def outboxes_empty(self) -> bool:
        """Return True if every event has been relayed to Kafka."""
        urls = [self.concord.environ[f"{service.upper()}_DATABASE_URL"] for service in SERVICES]
        return {run_sql(url, "SELECT count(*) FROM outbox;") for url in urls} == {"0"}


@pytest.fixture
def mesh(tmp_path: Path, jar_cache: JarCache) -> Iterator[Mesh]:
    """Run Kafka and Postgres with topics and tables; the test starts the processes that it needs."""
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), jar_cache, tmp_path / "kafka.log")
    postgres = EmbeddedPostgres(tmp_path / "postgres", free_port(), tmp_path / "postgres.log")
    try:
        kafka.start(print)
        postgres.start()
        kafka.wait_ready()
        postgres.wait_ready()
        concord = Concord(tmp_path, kafka.bootstrap, make_databases(postgres.admin_url, "faults"))
        concord.prepare()
        try:
            yield Mesh(kafka, postgres, concord)
        finally:
            concord.stop()
    finally:
        postgres.stop()
        kafka.stop()
