"""Puts the HTTP side together: routes, pages, documents and the edge around them."""

from importlib.metadata import PackageNotFoundError, version

import msgspec

from apps.gateway.app import ROUTES, make_app
from apps.gateway.documents.asyncapi.document import asyncapi_document
from apps.gateway.documents.openapi.document import Addresses, openapi_document
from apps.gateway.documents.routes import Documents
from apps.gateway.forward import ApiState
from apps.gateway.routes.health import HealthPages
from apps.gateway.routes.route import Page
from apps.gateway.settings import GatewaySettings
from shared.edge.access_log import AccessLog
from shared.edge.auth.jwks_cache import JwksCache
from shared.edge.cors import Cors
from shared.edge.http_metrics import HttpMetrics
from shared.edge.https_redirect import https_of
from shared.edge.middleware import EdgeMiddleware
from shared.kit.clock import any_id
from shared.kit.health.checks import Health


def compose(
    settings: GatewaySettings,
    desk: ApiState,
    keys: JwksCache,
    health: Health,
    traffic: HttpMetrics,
    access_log: AccessLog | None,
) -> EdgeMiddleware:
    """The whole ASGI application."""
    documents = Documents(keys, lambda: openapi_bytes(pages, settings), lambda: asyncapi_bytes(settings))
    pages = (*documents.pages(), *HealthPages(health).pages())
    cors = Cors(settings.cors_origins) if settings.cors_origins else None
    https = https_of(settings, desk.proxies)
    return EdgeMiddleware(make_app(desk, settings.file_door, pages), any_id, traffic, cors, access_log, https)


def openapi_bytes(pages: tuple[Page, ...], settings: GatewaySettings) -> bytes:
    """The OpenAPI document as it is served."""
    addresses = Addresses(settings.address, settings.file_address)
    return msgspec.json.encode(openapi_document(ROUTES, pages, addresses, _version()))


def asyncapi_bytes(settings: GatewaySettings) -> bytes:
    """The AsyncAPI document as it is served."""
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
