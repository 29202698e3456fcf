"""Two minutes of sends while every process is killed in turn: nothing is lost, doubled or out of order."""

from pathlib import Path

import pytest

from bench.durability.command import measure
from bench.durability.report import report

# This seed kills a message replica first, then Kafka, then Postgres.
SEED = 14


@pytest.mark.timeout(420)
def test_nothing_is_lost_in_two_minutes_of_kills(tmp_path: Path) -> None:
    run = measure(tmp_path / "data", seconds=120, senders=32, seed=SEED)
    text = report(run)
    assert run.good, text
    assert run.unanswered == 0, text
    assert run.acknowledged > 2_000, text
    assert run.stored == run.acknowledged, text
    assert run.changes[200] > 50, text
    assert run.events > run.stored + run.changes[200], text
    assert {"message", "kafka", "postgres"} <= {kill.victim.partition("-")[0] for kill in run.kills}, text
