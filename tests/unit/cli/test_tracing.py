"""Steps of a call, from log lines and records to a time line."""

import itertools
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from cli.commands.trace import MARGIN_S, SINCE_DEFAULT_S, begin_s
from cli.tracing import kafka_steps as kafka
from cli.tracing import log_steps as logs
from cli.tracing.kafka_steps import is_ours, kind_of, step_of
from cli.tracing.log_steps import log_steps
from cli.tracing.step import Kind, Step, in_order, time_line
from shared.kit.kafka.topic_reader import ReadLimits

ID = "walk-1"


@dataclass
class Record:
    topic: str = "message.send"
    partition: int = 1
    offset: int = 7
    timestamp: int = 1_000
    key: bytes | None = b"k"
    value: bytes | None = b'{"content": "private", "password": "hunter2"}'
    headers: tuple[tuple[str, bytes], ...] = (("reply_to", b"gateway.replies.x"), ("bad", b"\xff"))


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("message.send", Kind.REQUEST),
        ("gateway.replies.host-1", Kind.REPLY),
        ("live-events", Kind.EVENT),
        ("channels.send-message", Kind.EVENT),
        ("message.retry.10s", Kind.RETRY),
        ("auth.dead-letters", Kind.DEAD_LETTER),
    ],
)
def test_every_topic_of_the_mesh_has_its_kind(topic: str, kind: Kind) -> None:
    assert is_ours(topic)
    assert kind_of(topic) is kind


def test_topics_of_others_are_not_read() -> None:
    assert not is_ours("__consumer_offsets")
    assert not is_ours("orders")


def test_bodies_are_hidden_and_secrets_always() -> None:
    assert step_of(Record(), bodies=False).body == ""
    assert "private" not in str(step_of(Record(), bodies=False))
    body = step_of(Record(), bodies=True).body
    assert "private" in body
    assert "hunter2" not in body


def test_steps_of_one_millisecond_stand_in_the_order_of_a_call() -> None:
    steps = [
        Step(at_ms=at_ms, kind=kind, where="x", words="")
        for kind, at_ms in ((Kind.REPLY, 5), (Kind.HTTP, 5.9), (Kind.REQUEST, 5), (Kind.HTTP_ANSWER, 7.25))
    ]
    assert [step.kind for step in in_order(steps)] == [
        Kind.HTTP,
        Kind.REQUEST,
        Kind.REPLY,
        Kind.HTTP_ANSWER,
    ]
    lines = list(time_line(ID, steps))
    assert lines[0].startswith(f"{ID}: 4 steps in ")
    assert all(float(column) >= 0 for line in lines[2:] for column in line.split()[:2])


def line(**fields: object) -> str:
    return json.dumps({"timestamp": "2026-05-01T12:00:00+00:00", "correlation_id": ID, **fields}) + "\n"


def test_log_lines_become_steps(tmp_path: Path) -> None:
    access = line(service="gateway", logger="gateway.access", method="GET", route="/x", status=200, ms=12.5)
    (tmp_path / "gateway.log").write_text("no json walk-1\n" + access + line(correlation_id="other " + ID))
    said = line(service="message", level="WARNING", message="it said\npassword=hunter2", attempt=2)
    (tmp_path / "message.log.1").write_text(said + '["walk-1"]\n' + line(timestamp="walk-1"))
    steps = in_order(log_steps(tmp_path, ID, 0))
    assert [step.kind for step in steps] == [Kind.HTTP, Kind.LOG, Kind.HTTP_ANSWER]
    assert steps[2].at_ms - steps[0].at_ms == 12.5
    assert steps[1].words == "WARNING it said password=*** attempt=2"
    assert log_steps(tmp_path, ID, steps[2].at_ms + 1) == []


def test_the_number_of_steps_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "STEPS_MAX", 5)
    (tmp_path / "auth.log").write_text(line(service="auth", message="again") * 10)
    assert len(log_steps(tmp_path, ID, 0)) == 5


def test_an_id_of_ours_tells_where_to_begin() -> None:
    now = time.time()
    assert abs(begin_s(str(uuid7()), None) - (now - MARGIN_S)) < 2
    assert abs(begin_s(str(UUID(int=7)), None) - (now - SINCE_DEFAULT_S)) < 2
    assert abs(begin_s("walk-1", None) - (now - SINCE_DEFAULT_S)) < 2
    assert abs(begin_s(str(uuid7()), 60) - (now - 60)) < 2


@pytest.mark.parametrize(
    "made", ["ffffffff-ffff-7fff-8fff-ffffffffffff", "03ffffff-ffff-7fff-8fff-ffffffffffff"]
)
def test_an_id_from_the_future_tells_nothing(made: str) -> None:
    assert abs(begin_s(made, None) - (time.time() - SINCE_DEFAULT_S)) < 2


async def test_the_steps_of_kafka_are_bounded_and_reading_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    closed: list[bool] = []

    class Endless:
        def __init__(self, *_: object) -> None:
            pass

        async def records(self) -> AsyncGenerator[Record, None]:
            try:
                for number in itertools.count():
                    read.append(number)
                    yield Record(headers=(("correlation_id", ID.encode()),))
            finally:
                closed.append(True)

    async def no_partitions(*_: object) -> dict[str, int]:
        return {}

    monkeypatch.setattr(kafka, "TopicReader", Endless)
    monkeypatch.setattr(kafka, "partitions_of", no_partitions)
    monkeypatch.setattr(kafka, "STEPS_MAX", 5)
    steps, _ = await kafka.kafka_steps({}, ID, ReadLimits(), bodies=False)
    assert (len(steps), len(read), closed) == (5, 5, [True])


def test_no_step_steers_the_terminal() -> None:
    evil = "\x1b]0;owned\x07 \x9b2J \u202e \ud800 \r\x00 line\nbreak"
    record = Record(
        key=evil.encode(errors="replace"),
        value=json.dumps({"a": evil, "b": "\x9b"}, ensure_ascii=False).encode(errors="surrogatepass"),
        headers=(("event_type", evil.encode(errors="replace")),),
        topic="live-events",
    )
    said = Step(at_ms=1, kind=Kind.LOG, where=evil, words=evil, body=evil)
    lines = list(time_line(ID, [step_of(record, bodies=True), said]))
    assert all(line.isprintable() for line in lines)
    assert any("\\x1b]0;owned" in line for line in lines)
    assert len([line for line in lines if " log " in line]) == 1
