"""The gateway process: HTTP in, Kafka out; no business rules and no database."""

import asyncio
import os
import signal

import uvloop
from prometheus_client import REGISTRY

from apps.gateway.composition import compose, limits_of
from apps.gateway.forward import Admission, CallerChecks
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
    """Run until SIGTERM or SIGINT. Raises `SettingsError`, or `PortError` if the port cannot be opened."""
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
    component = health.component("http")
    proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_header)
    limits = limits_of(settings, proxies)
    messaging = Messaging(settings, instance, health, limits)
    checks = CallerChecks(messaging.authenticator, limits, proxies)
    admission = Admission(settings.in_flight_max)
    metrics = _metrics(admission, limits, messaging)
    access_log = AccessLog(write_out, "gateway", instance) if settings.access_log else None
    app = compose(settings, messaging.client, checks, admission, messaging.keys, health, metrics, access_log)
    server = make_server(app, settings)
    tune_gc()
    running = asyncio.create_task(messaging.run(admission.accept_calls), name="messaging")
    running.add_done_callback(lambda _: stop.set())  # it ends by an error only
    try:
        await serve_until(stop, server, settings, admission, component)
    finally:
        error = running.exception() if running.done() else None
        running.cancel()
        await asyncio.wait({running}, timeout=STOP_TIMEOUT_S)
        await messaging.stop()
        if access_log is not None:
            access_log.flush()
    if error is not None:
        raise error


def _metrics(admission: Admission, limits: RateLimits, messaging: Messaging) -> HttpMetrics:
    """Return the metrics of the gateway, registered next to those of the kit."""
    metrics = HttpMetrics()
    metrics.gauge("concord_http_requests_in_flight", "API requests in flight", lambda: admission.in_flight)
    metrics.gauge("concord_calls_pending", "Calls waiting for their reply", lambda: messaging.client.pending)
    metrics.gauge(
        "concord_sessions_revoked", "Revoked sessions in memory", lambda: len(messaging.revocations)
    )
    metrics.gauge("concord_limits_callers", "Callers tracked by rate limits", lambda: len(limits))
    REGISTRY.register(metrics)
    return metrics


if __name__ == "__main__":
    main()
