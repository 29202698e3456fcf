"""The access log and the metrics: their fields and labels, and that they never contain secrets."""

import json
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared.edge.access_log import AccessLog
from shared.edge.http_metrics import HttpMetrics
from shared.edge.middleware import EdgeMiddleware
from tests.support.gateway import World

LABELS = ("method", "route", "status", "le")
CHANNEL = "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"


def samples(metrics: HttpMetrics) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    return {
        (sample.name, *(sample.labels[name] for name in LABELS if name in sample.labels)): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_counts_and_times() -> None:
    metrics = HttpMetrics()
    metrics.observe("GET", "/a/{b}", 200, 0.0009)
    metrics.observe("GET", "/a/{b}", 200, 0.02)
    metrics.observe("GET", "/a/{b}", 404, 99.0)
    found = samples(metrics)
    name = "concord_http_request_seconds"
    assert found[f"{name}_count", "GET", "/a/{b}", "200"] == 2
    assert found[f"{name}_sum", "GET", "/a/{b}", "200"] == pytest.approx(0.0209)
    assert found[f"{name}_bucket", "GET", "/a/{b}", "200", "0.001"] == 1
    assert found[f"{name}_bucket", "GET", "/a/{b}", "200", "0.025"] == 2
    assert found[f"{name}_bucket", "GET", "/a/{b}", "404", "10.0"] == 0
    assert found[f"{name}_bucket", "GET", "/a/{b}", "404", "+Inf"] == 1


def test_unknown_methods_create_no_new_series() -> None:
    metrics = HttpMetrics()
    for number in range(50):
        metrics.observe(f"M{number}", "unmatched", 405, 0.001)
    assert samples(metrics)["concord_http_request_seconds_count", "other", "unmatched", "405"] == 50


def test_gauges_are_read_at_each_scrape() -> None:
    metrics, value = HttpMetrics(), 1
    metrics.gauge("concord_x", "X", lambda: value)
    assert samples(metrics)[("concord_x",)] == 1
    value = 2
    assert samples(metrics)[("concord_x",)] == 2


async def test_a_request_is_counted_and_logged_by_its_pattern(world: World) -> None:
    lines: list[str] = []
    metrics, access_log = HttpMetrics(), AccessLog(lines.append, "gateway", "here-0")
    edge = EdgeMiddleware(world.edge._app, lambda: "an-id", metrics, None, access_log)
    token = world.signer.token()
    transport = httpx.ASGITransport(app=edge)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        await http.get(
            f"/api/channels/{CHANNEL}/messages?limit=1&secret=1", headers={"Authorization": f"Bearer {token}"}
        )
        await http.get("/api/no/such/secret")
        await http.head("/health/live")
    access_log.flush()
    logged = [json.loads(line) for line in "".join(lines).splitlines()]
    assert [(line["method"], line["route"], line["status"]) for line in logged] == [
        ("GET", "/api/channels/{channelId}/messages", 400),
        ("GET", "unmatched", 404),
        ("HEAD", "/health/live", 200),
    ]
    assert {"timestamp", "level", "service", "instance", "logger", "message", "correlation_id", "ms"} <= set(
        logged[0]
    )
    assert "secret" not in "".join(lines)
    assert token not in "".join(lines)
    found = samples(metrics)
    assert found["concord_http_request_seconds_count", "GET", "unmatched", "404"] == 1
    assert (
        found["concord_http_request_seconds_count", "GET", "/api/channels/{channelId}/messages", "400"] == 1
    )


async def test_lines_are_written_together_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.edge.access_log._LINES_MAX", 3)
    written: list[str] = []
    log = AccessLog(written.append, "gateway")
    for _ in range(4):
        log.add("GET", "/", 200, 0.001, "id")
    assert [text.count("\n") for text in written] == [3]
    log.flush()
    log.flush()
    assert [text.count("\n") for text in written] == [3, 1]


async def test_a_request_without_a_response_is_counted(world: World) -> None:
    metrics = HttpMetrics()

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        raise BaseException("cut off")

    edge = EdgeMiddleware(silent, lambda: "an-id", metrics, None, None)
    scope: Any = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": []}
    with pytest.raises(BaseException, match="cut off"):
        await edge(scope, None, None)  # type: ignore[arg-type]
    assert samples(metrics)["concord_http_request_seconds_count", "GET", "unmatched", "499"] == 1


async def test_other_scopes_pass_through() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await EdgeMiddleware(app, lambda: "", HttpMetrics(), None, None)({"type": "websocket"}, None, None)  # type: ignore
    assert seen == ["websocket"]
