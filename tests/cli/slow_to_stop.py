"""Not for a run of all tests: test_interrupted.py starts these two and interrupts them."""

import time
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def slow_to_stop(kafka_bootstrap: str, postgres_admin_url: str) -> Iterator[None]:
    """What is stopped before Kafka and Postgres takes longer than xdist would wait."""
    yield
    time.sleep(12)


@pytest.mark.parametrize("number", range(2))
def test_waits(number: int, slow_to_stop: None) -> None:
    time.sleep(100)
