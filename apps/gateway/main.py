"""The gateway: HTTP in, Kafka out. No business rule, no database."""

import asyncio
import os
import signal

import uvloop
from prometheus_client import REGISTRY

from apps.gateway.composition import compose
from apps.gateway.forward import ApiState
from apps.gateway.http_server import make_server, serve_until
from apps.gateway.messaging import STOP_TIMEOUT_S, Messaging
from apps.gateway.settings import GatewaySettings
from shared.edge.access_log import AccessLog, write_out
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.http_metrics import HttpMetrics
from shared.edge.rate_limits.policies import RateLimits
from shared.kit.config.settings import load
from shared.kit.health.checks import Health
from shared.kit.kafka import aiokafka_patches
from shared.kit.runtime.gc_tuning import tune_gc
from shared.kit.runtime.hardening import make_undumpable
from shared.kit.runtime.instance_id import Instance
from shared.kit.runtime.watchdog import watched
from shared.kit.security import record_signatures
from shared.kit.telemetry.json_logging import setup_logging


def main() -> None:
    """Run until SIGTERM or SIGINT. Raises `SettingsError`, or `PortError` when the port can not be had."""
    make_undumpable()
    aiokafka_patches.apply()
    settings = load(GatewaySettings, os.environ)
    instance = Instance("gateway", settings.instance_name)
    setup_logging("gateway", settings.log_level, instance.name, throttled=(record_signatures.__name__,))
    uvloop.run(watched(_run(settings, instance.name)))


async def _run(settings: GatewaySettings, instance: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    health = Health()
    serving = health.component("http")
    proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_header)
    limits = RateLimits(
        proxies,
        per_minute=settings.rate_limit_per_minute,
        sign_ins_per_minute=settings.sign_in_limit_per_minute,
        callers_max=settings.limit_callers_max,
    )
    mesh = Messaging(settings, instance, health, limits)
    desk = ApiState(
        caller=mesh.caller,
        authenticator=mesh.authenticator,
        proxies=proxies,
        limits=limits,
        in_flight_max=settings.in_flight_max,
        body_max_bytes=settings.body_max_bytes,
        call_timeout_ms=settings.call_timeout_ms,
    )
    traffic = _traffic(desk, mesh)
    access_log = AccessLog(write_out, "gateway", instance) if settings.access_log else None
    server = make_server(compose(settings, desk, mesh.keys, health, traffic, access_log), settings)
    tune_gc()
    following = asyncio.create_task(mesh.run(desk.open_now), name="mesh")
    following.add_done_callback(lambda _: stop.set())  # it never ends by itself but by a fault
    try:
        await serve_until(stop, server, settings, desk, serving)
    finally:
        fault = following.exception() if following.done() else None
        following.cancel()
        await asyncio.wait({following}, timeout=STOP_TIMEOUT_S)
        await mesh.stop()
        if access_log is not None:
            access_log.flush()
    if fault is not None:
        raise fault


def _traffic(desk: ApiState, mesh: Messaging) -> HttpMetrics:
    """The figures that `/metrics` shows beside those of the kit."""
    traffic = HttpMetrics()
    traffic.gauge("concord_http_requests_in_flight", "API requests in hand", lambda: desk.in_flight)
    traffic.gauge("concord_calls_pending", "Calls that wait for their answer", lambda: mesh.caller.pending)
    traffic.gauge("concord_sessions_revoked", "Revoked sessions remembered", lambda: len(mesh.revocations))
    traffic.gauge("concord_limits_callers", "Callers whose limits are remembered", lambda: len(desk.limits))
    REGISTRY.register(traffic)
    return traffic


if __name__ == "__main__":
    main()
