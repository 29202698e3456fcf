"""A whole gateway without Kafka: the services behind it are a fake."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import pytest

from apps.gateway.composition import compose
from apps.gateway.forward import ApiState
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
from tests.fakes.gateway import FakeCaller, Signer
from tests.unit.kit.rpc.calls import SECRET


@dataclass
class World:
    """A gateway and the parts of it that a test may inspect or change."""

    caller: FakeCaller
    signer: Signer
    keys: JwksCache
    revocations: RevokedSessions
    authenticator: Authenticator
    desk: ApiState
    health: Health
    traffic: HttpMetrics
    edge: EdgeMiddleware


def new_world(**changes: Any) -> World:
    """Return a gateway with these settings; the others have their defaults, but the rate limits are off."""
    settings = GatewaySettings(**{"rate_limit_per_minute": 0, "mesh_secret": SECRET, **changes})
    signer, caller, health = Signer(), FakeCaller(), Health()
    clock, traffic = SystemClock(), HttpMetrics()
    keys = JwksCache(caller, health.component("keys"), settings.keys_refresh_s)
    keys.by_kid.update(public_keys(signer.jwks))
    keys.document = b'{"keys":[]}'
    ttl = timedelta(seconds=settings.access_token_ttl_s)
    revocations = RevokedSessions(clock, ttl, settings.revocations_max)
    verifier = TokenVerifier(keys.by_kid, settings.token_issuer, settings.token_audience, clock)
    authenticator = Authenticator(verifier, keys, revocations)
    authenticator.caught_up = True
    proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_header)
    limits = RateLimits(
        proxies,
        per_minute=settings.rate_limit_per_minute,
        sign_ins_per_minute=settings.sign_in_limit_per_minute,
        callers_max=settings.limit_callers_max,
    )
    desk = ApiState(
        caller=caller,
        authenticator=authenticator,
        proxies=proxies,
        limits=limits,
        in_flight_max=settings.in_flight_max,
        body_max_bytes=settings.body_max_bytes,
        call_timeout_ms=settings.call_timeout_ms,
        open=True,
    )
    edge = compose(settings, desk, keys, health, traffic, None)
    return World(caller, signer, keys, revocations, authenticator, desk, health, traffic, edge)


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Return the factory, for tests that need other settings or change more than the fake caller."""
    return new_world


_shared_world = cache(new_world)


def shared_world() -> World:
    """Return a gateway with default settings, shared because creating one is slow; its state is reset."""
    world = _shared_world()
    world.caller.sent.clear()
    world.caller.answer = None
    world.desk.open, world.desk.draining, world.desk.in_flight = True, False, 0
    return world


@pytest.fixture
def world() -> World:
    """Return the shared gateway; a test that changes more than the fake caller creates its own."""
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
