"""Log lines: their fields, their order, the call they are about, and no secret in them."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.kit.telemetry.json_logging import setup_logging
from shared.kit.telemetry.log_context import correlation_id_var, operation_var, traceparent_var


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    setup_logging("server", "INFO", "host-0", stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level = before


def read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_its_fields_in_order(lines: io.StringIO) -> None:
    correlation_id_var.set("c-1")
    operation_var.set("message.send")
    traceparent_var.set("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    logging.getLogger("concord.x").info("took %d ms", 3, extra={"partition": 4})
    (line,) = read(lines)
    when = datetime.fromisoformat(str(line.pop("timestamp")))
    assert abs((datetime.now(UTC) - when).total_seconds()) < 5
    assert '"timestamp":"' in lines.getvalue()
    assert lines.getvalue().split('"')[3].endswith("Z")
    assert list(line.items()) == [
        ("level", "INFO"),
        ("service", "server"),
        ("instance", "host-0"),
        ("logger", "concord.x"),
        ("message", "took 3 ms"),
        ("correlation_id", "c-1"),
        ("operation", "message.send"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("partition", 4),
    ]


def test_exceptions_are_one_line_without_secrets(lines: io.StringIO) -> None:
    try:
        raise ValueError("connect to postgresql://ada:hunter2abc@h/d failed, password='hunter2abc'")
    except ValueError:
        logging.getLogger("concord.x").exception(
            "failed with token=%s", "hunter2abc", extra={"token": "hunter2abc"}
        )
    (line,) = read(lines)
    assert "ValueError" in str(line["exception"])
    assert line["level"] == "ERROR"
    assert "hunter2abc" not in lines.getvalue()


def test_what_can_not_be_encoded_is_still_a_line(lines: io.StringIO) -> None:
    logging.getLogger("concord.x").warning("bad \ud800", extra={"thing": object()})
    logging.getLogger("concord.x").warning("object", extra={"thing": object()})
    assert [line["level"] for line in read(lines)][-1] == "WARNING"
    assert "object" in lines.getvalue()
    assert len(read(lines)) == 2


def test_libraries_are_quiet(lines: io.StringIO) -> None:
    for name in (
        "aiokafka.consumer.group_coordinator",
        "faststream",
        "uvicorn.error",
        "uvicorn.access",
        "concord.x",
    ):
        logging.getLogger(name).info("hello")
        logging.getLogger(name).debug("hello")
    logging.getLogger("uvicorn.access").error("hello")
    logging.getLogger("aiokafka").warning("careful")
    assert [(line["logger"], line["message"]) for line in read(lines)] == [
        ("concord.x", "hello"),
        ("aiokafka", "careful"),
    ]
