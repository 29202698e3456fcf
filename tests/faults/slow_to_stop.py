"""Not for a run of all tests: test_interrupted.py starts this and interrupts it."""

import time
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def slow_to_stop(kafka_bootstrap: str, postgres_admin_url: str) -> Iterator[None]:
    """A resource that stops before Kafka and Postgres and takes longer than xdist would wait."""
    yield
    time.sleep(12)


def test_waits(slow_to_stop: None) -> None:
    time.sleep(100)
