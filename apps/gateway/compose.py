"""Puts the HTTP side together: routes, pages, documents and the edge around them."""

from importlib.metadata import PackageNotFoundError, version

import msgspec

from apps.gateway.access_log import AccessLog
from apps.gateway.app import ROUTES, make_app
from apps.gateway.cors import Cors
from apps.gateway.edge import Edge
from apps.gateway.forward import Desk
from apps.gateway.https import Https
from apps.gateway.keys import Keys
from apps.gateway.openapi import openapi_document
from apps.gateway.routes.documents import Documents
from apps.gateway.routes.health import HealthPages
from apps.gateway.routes.route import Page
from apps.gateway.settings import GatewaySettings
from apps.gateway.traffic import Traffic
from shared.contracts.asyncapi import asyncapi_document
from shared.kit.clock import any_id
from shared.kit.health import Health


def compose(
    settings: GatewaySettings,
    desk: Desk,
    keys: Keys,
    health: Health,
    traffic: Traffic,
    access_log: AccessLog | None,
) -> Edge:
    """The whole ASGI application."""
    documents = Documents(
        keys, lambda: openapi_bytes(pages, settings.address), lambda: asyncapi_bytes(settings)
    )
    pages = (*documents.pages(), *HealthPages(health).pages())
    cors = Cors(settings.cors_origins) if settings.cors_origins else None
    https = Https(desk.proxies, settings.address, settings.hsts_max_age_s) if settings.https_only else None
    return Edge(make_app(desk, settings.file_door, pages), any_id, traffic, cors, access_log, https)


def openapi_bytes(pages: tuple[Page, ...], address: str) -> bytes:
    """The OpenAPI document as it is served."""
    return msgspec.json.encode(openapi_document(ROUTES, pages, address, _version()))


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
