"""Health and figures: the same addresses as on every process of the mesh."""

import msgspec

from apps.gateway.routes.route import Page
from shared.contracts.errors import ROUTE_UNKNOWN
from shared.edge.client_address.trusted_proxies import came_by_proxy
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import RequestContext, Response, respond
from shared.kit.health.checks import Health, Report
from shared.kit.health.server import metrics

_TAG = "Health"
_FRESH = (b"cache-control", b"no-store")


class HealthPages:
    """Asks the parts of this process only: a gateway can be ready while a service is away."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def pages(self) -> tuple[Page, ...]:
        """Their declarations."""
        json = ("application/json",)
        return (
            Page(
                path="/health/live",
                name="health.live",
                summary="Does the process live",
                tag=_TAG,
                media_types=json,
                outcomes={200: "It does."},
                respond=self.live,
            ),
            Page(
                path="/health/ready",
                name="health.ready",
                summary="Is the process ready",
                tag=_TAG,
                description="Names each part and, where it is not ready, why.",
                media_types=json,
                outcomes={200: "Every part is.", 503: "A part is not."},
                schema=Report,
                respond=self.ready,
            ),
            Page(
                path="/metrics",
                name="metrics",
                summary="Figures for Prometheus",
                tag=_TAG,
                media_types=("text/plain",),
                description="For who asks this process itself; through a proxy there is nothing here.",
                outcomes={200: "All counters of the process.", 404: "A proxy handed the request on."},
                respond=self.metrics,
            ),
        )

    async def live(self, exchange: RequestContext) -> Response:
        """The event loop turns."""
        return respond(200, "application/json", b'{"status":"alive"}', _FRESH)

    async def ready(self, exchange: RequestContext) -> Response:
        """200 when every part is ready, else 503."""
        report = await self._health.report()
        status = 200 if report.is_ready else 503
        return respond(status, "application/json", msgspec.json.encode(report), _FRESH)

    async def metrics(self, exchange: RequestContext) -> Response:
        """In the format that the caller reads best; not for the world behind a proxy."""
        if came_by_proxy(exchange):
            return problem_of(ROUTE_UNKNOWN.exception("There is nothing at this path."), exchange)
        answer = metrics(exchange.headers.get(b"accept", b"").decode("latin-1"))
        return respond(answer.status, answer.content_type, answer.body, _FRESH)
