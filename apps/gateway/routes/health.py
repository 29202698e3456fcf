"""Health and metrics, at the same paths as on every process of Concord."""

from apps.gateway.routes.route import Page
from shared.contracts.errors import ROUTE_UNKNOWN
from shared.edge.client_address.trusted_proxies import came_by_proxy
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import RequestContext, Response, respond
from shared.kit.health.checks import Health, Report
from shared.kit.health.endpoints import HealthResponse, live, metrics, ready

_TAG = "Health"
_FRESH = (b"cache-control", b"no-store")


class HealthPages:
    """Report on this process alone: a gateway can be ready while a service is down."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def pages(self) -> tuple[Page, ...]:
        """Return the declarations of the pages."""
        json = ("application/json",)
        return (
            Page(
                path="/health/live",
                name="health.live",
                summary="Liveness of the process",
                tag=_TAG,
                media_types=json,
                outcomes={200: "The process is alive."},
                respond=self.live,
            ),
            Page(
                path="/health/ready",
                name="health.ready",
                summary="Readiness of the process",
                tag=_TAG,
                description="Lists the components that are not ready, each with the reason.",
                media_types=json,
                outcomes={200: "Every component is ready.", 503: "A component is not ready."},
                schema=Report,
                respond=self.ready,
            ),
            Page(
                path="/metrics",
                name="metrics",
                summary="Metrics for Prometheus",
                tag=_TAG,
                media_types=("text/plain",),
                description="For direct requests to this process only; requests through a proxy get 404.",
                outcomes={200: "All metrics of the process.", 404: "The request came through a proxy."},
                respond=self.metrics,
            ),
        )

    async def live(self, context: RequestContext) -> Response:
        """Return 200: the event loop runs."""
        return _respond(live())

    async def ready(self, context: RequestContext) -> Response:
        """Return 200 if every component is ready, otherwise 503."""
        return _respond(await ready(self._health))

    async def metrics(self, context: RequestContext) -> Response:
        """Return the metrics in the format that `Accept` prefers; not to requests through a proxy."""
        if came_by_proxy(context):
            return problem_of(ROUTE_UNKNOWN.exception("No resource has this path."), context)
        return _respond(metrics(context.headers.get(b"accept", b"").decode("latin-1")))


def _respond(response: HealthResponse) -> Response:
    return respond(response.status, response.content_type, response.body, _FRESH)
