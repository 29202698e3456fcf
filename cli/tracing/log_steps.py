"""The steps of a correlation id in the JSON logs of the data folder."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.tracing.step import STEPS_MAX, Kind, Step
from shared.kit.telemetry.redaction import redact

LINE_MAX_BYTES = 1_000_000
_ACCESS = "gateway.access"
_SHOWN_OTHERWISE = frozenset(
    ("timestamp", "level", "service", "instance", "logger", "message", "correlation_id", "exception", "trace")
)


def log_steps(folder: Path, trace_id: str, since_ms: float) -> list[Step]:
    """Return the steps of all logs and their older generation; at most STEPS_MAX."""
    steps: list[Step] = []
    for path in sorted([*folder.glob("*.log"), *folder.glob("*.log.1")]):
        for line in lines_about(path, trace_id.encode()):
            steps.extend(step for step in steps_of(line, trace_id) if step.at_ms >= since_ms)
            if len(steps) >= STEPS_MAX:
                return steps[:STEPS_MAX]
    return steps


def lines_about(path: Path, trace_bytes: bytes) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines that contain the id; skip other lines."""
    with path.open("rb") as log:
        for line in iter(lambda: log.readline(LINE_MAX_BYTES), b""):
            if trace_bytes not in line:
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry


def steps_of(line: dict[str, Any], trace_id: str) -> Iterator[Step]:
    """Yield one step; for an access log line two: the request and its response."""
    at_ms = _time_of(line)
    if line.get("correlation_id") != trace_id or at_ms is None:
        return
    where = str(line.get("instance") or line.get("service") or "?")
    if not where.startswith(str(line.get("service", ""))):
        where = f"{line['service']} {where}"
    if line.get("logger") == _ACCESS and isinstance(line.get("ms"), (int, float)):
        request = f"{line.get('method')} {line.get('route')}"
        yield Step(at_ms=at_ms - line["ms"], kind=Kind.HTTP, where=where, words=request)
        response = f"{line.get('status')} in {line['ms']} ms"
        yield Step(at_ms=at_ms, kind=Kind.HTTP_ANSWER, where=where, words=response)
        return
    more = [f"{name}={value}" for name, value in line.items() if name not in _SHOWN_OTHERWISE]
    words = f"{line.get('level', '')} {line.get('message', '')} {' '.join(more)}"
    yield Step(at_ms=at_ms, kind=Kind.LOG, where=where, words=redact(words.replace("\n", " ").strip()))


def _time_of(line: dict[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(line.get("timestamp"))).timestamp() * 1000
    except ValueError:
        return None
