"""Composition of the HTTP side: routes, pages and documents, and the edge around them."""

from importlib.metadata import PackageNotFoundError, version

import msgspec

from apps.gateway.app import ROUTES, make_app
from apps.gateway.documents.asyncapi.document import asyncapi_document
from apps.gateway.documents.openapi.document import Addresses, openapi_document
from apps.gateway.documents.routes import Documents
from apps.gateway.forward import Admission, CallerChecks, CallSettings, Forward
from apps.gateway.routes.health import HealthPages
from apps.gateway.routes.route import Page, Route
from apps.gateway.settings import GatewaySettings
from apps.gateway.upload_proxy import UploadProxy
from shared.edge.access_log import AccessLog
from shared.edge.auth.jwks_cache import JwksCache
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.cors import Cors
from shared.edge.http_metrics import HttpMetrics
from shared.edge.https_redirect import https_of
from shared.edge.litestar_adapter import Respond
from shared.edge.middleware import EdgeMiddleware
from shared.edge.rate_limits.policies import RateLimits
from shared.kit.clock import any_id
from shared.kit.health.checks import Health
from shared.kit.rpc.caller import Caller


def compose(
    settings: GatewaySettings,
    client: Caller,
    checks: CallerChecks,
    admission: Admission,
    keys: JwksCache,
    health: Health,
    metrics: HttpMetrics,
    access_log: AccessLog | None,
) -> EdgeMiddleware:
    """Return the whole ASGI application."""
    documents = Documents(keys, lambda: openapi_bytes(pages, settings), lambda: asyncapi_bytes(settings))
    pages = (*documents.pages(), *HealthPages(health).pages())
    bounds = CallSettings(body_max_bytes=settings.body_max_bytes, timeout_ms=settings.call_timeout_ms)

    def respond_to(route: Route) -> Respond:
        if route.operation.form:
            return UploadProxy(route.path, checks, admission, settings.file_service)
        return Forward(route, client, checks, admission, bounds)

    cors = Cors(settings.cors_origins) if settings.cors_origins else None
    https = https_of(settings, checks.proxies)
    return EdgeMiddleware(make_app(respond_to, pages), any_id, metrics, cors, access_log, https)


def limits_of(settings: GatewaySettings, proxies: TrustedProxies) -> RateLimits:
    """Return the rate limits with these settings; gateways share their counts."""
    return RateLimits(
        proxies,
        per_minute=settings.rate_limit_per_minute,
        sign_ins_per_minute=settings.sign_in_limit_per_minute,
        callers_max=settings.limit_callers_max,
    )


def openapi_bytes(pages: tuple[Page, ...], settings: GatewaySettings) -> bytes:
    """Return the OpenAPI document as it is served."""
    addresses = Addresses(settings.address, settings.file_address)
    return msgspec.json.encode(openapi_document(ROUTES, pages, addresses, _version()))


def asyncapi_bytes(settings: GatewaySettings) -> bytes:
    """Return the AsyncAPI document as it is served."""
    return msgspec.json.encode(
        asyncapi_document(
            version=_version(),
            partitions=settings.kafka_partitions,
            replicas=settings.kafka_replication_factor,
        )
    )


def _version() -> str:
    try:
        return version("concord")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
