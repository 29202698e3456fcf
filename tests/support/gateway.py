"""A whole gateway without Kafka: its client of the services is a fake."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import pytest

from apps.gateway.composition import compose, limits_of
from apps.gateway.forward import Admission, CallerChecks
from apps.gateway.settings import GatewaySettings
from shared.edge.auth.authenticator import Authenticator
from shared.edge.auth.jwks_cache import JwksCache
from shared.edge.auth.revoked_sessions import RevokedSessions
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.http_metrics import HttpMetrics
from shared.edge.middleware import EdgeMiddleware
from shared.edge.rate_limits.policies import RateLimits
from shared.kit.clock import SystemClock
from shared.kit.health.checks import Health
from shared.kit.security.access_tokens import TokenVerifier, public_keys
from tests.fakes.gateway import FakeServiceClient, Signer
from tests.unit.kit.rpc.calls import SECRET


@dataclass
class World:
    """Everything that a test may want to inspect or change."""

    client: FakeServiceClient
    signer: Signer
    keys: JwksCache
    revocations: RevokedSessions
    authenticator: Authenticator
    limits: RateLimits
    admission: Admission
    health: Health
    metrics: HttpMetrics
    edge: EdgeMiddleware


def new_world(**changes: Any) -> World:
    """Return a gateway with these settings, and defaults for the others, except that limits are off."""
    settings = GatewaySettings(**{"rate_limit_per_minute": 0, "mesh_secret": SECRET, **changes})
    signer, client, health = Signer(), FakeServiceClient(), Health()
    clock, metrics = SystemClock(), HttpMetrics()
    keys = JwksCache(client, health.component("keys"), settings.keys_refresh_s)
    keys.by_kid.update(public_keys(signer.jwks))
    keys.document = b'{"keys":[]}'
    ttl = timedelta(seconds=settings.access_token_ttl_s)
    revocations = RevokedSessions(clock, ttl, settings.revocations_max)
    verifier = TokenVerifier(keys.by_kid, settings.token_issuer, settings.token_audience, clock)
    authenticator = Authenticator(verifier, keys, revocations)
    authenticator.caught_up = True
    proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_header)
    limits = limits_of(settings, proxies)
    admission = Admission(settings.in_flight_max)
    admission.accept_calls()
    checks = CallerChecks(authenticator, limits, proxies)
    edge = compose(settings, client, checks, admission, keys, health, metrics, None)
    return World(client, signer, keys, revocations, authenticator, limits, admission, health, metrics, edge)


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Return the factory, for tests with other settings, or that change more than the fake client."""
    return new_world


_shared_world = cache(new_world)


def shared_world() -> World:
    """Return a gateway with default settings, shared because creating one is slow; its state is reset."""
    world = _shared_world()
    world.client.sent.clear()
    world.client.answer = None
    world.admission.accept_calls()
    world.admission.draining, world.admission.in_flight = False, 0
    return world


@pytest.fixture
def world() -> World:
    """Return the shared gateway; a test that changes more than the fake client creates its own."""
    return shared_world()


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client without a token."""
    async with client_of(world) as client:
        yield client


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client with a valid token."""
    async with client_of(world, Authorization=f"Bearer {world.signer.token()}") as client:
        yield client


def client_of(world: World, **headers: str) -> httpx.AsyncClient:
    """Return a client of this gateway; exceptions that reach the server fail the test."""
    transport = httpx.ASGITransport(app=world.edge)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)
