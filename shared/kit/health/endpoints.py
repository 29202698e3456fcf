"""The endpoints `/health/live`, `/health/ready` and `/metrics`."""

import msgspec
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from shared.kit.health.checks import Health
from shared.kit.http.asgi import Asgi, Receive, Scope, Send


class HealthResponse(msgspec.Struct):
    """The response of one endpoint."""

    status: int
    content_type: str
    body: bytes


def live() -> HealthResponse:
    """Return 200: the event loop runs."""
    return HealthResponse(200, "application/json", b'{"status":"alive"}')


async def ready(health: Health) -> HealthResponse:
    """Return 200 if every component is ready, otherwise 503; the body lists the components."""
    report = await health.report()
    return HealthResponse(200 if report.is_ready else 503, "application/json", msgspec.json.encode(report))


def metrics(accept: str) -> HealthResponse:
    """Return all metrics of the process, in the Prometheus format that `Accept` prefers."""
    encode, content_type = choose_encoder(accept)
    return HealthResponse(200, content_type, encode(REGISTRY))


def health_app(health: Health) -> Asgi:
    """Return the ASGI application with these endpoints."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        response = await _respond(scope, health)
        headers = [
            (b"content-type", response.content_type.encode()),
            (b"content-length", str(len(response.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    return app


async def _respond(scope: Scope, health: Health) -> HealthResponse:
    if scope["method"] not in ("GET", "HEAD"):
        return HealthResponse(405, "text/plain", b"only GET and HEAD\n")
    if scope["path"] == "/health/live":
        return live()
    if scope["path"] == "/health/ready":
        return await ready(health)
    if scope["path"] == "/metrics":
        return metrics(dict(scope["headers"]).get(b"accept", b"").decode("latin-1"))
    return HealthResponse(404, "text/plain", b"/health/live, /health/ready, /metrics\n")
