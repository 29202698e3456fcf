"""A process that prepares before it serves waits for as long as it takes, and says so."""

import os
import signal
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from cli.config.ports import LOOPBACK, free_port
from cli.provisioning import wait as module
from cli.provisioning.provision import NotReadyError, PrepareError, PrepareSettings
from cli.provisioning.wait import provision_before_serving
from shared.kit.http.sockets import PortError

Preparing = Callable[[PrepareSettings], None]


def prepared_by(monkeypatch: pytest.MonkeyPatch, attempt: Preparing) -> None:
    async def prepare_all(settings: PrepareSettings, *, wait_s: float) -> None:
        attempt(settings)

    monkeypatch.setattr(module, "prepare_all", prepare_all)
    monkeypatch.setattr(module, "_PAUSE_S", 0.05)


def away(_: PrepareSettings) -> None:
    raise NotReadyError("nothing is up")


def when_live(url: str, then: Callable[[], None]) -> threading.Thread:
    """Call it as soon as the process says that it lives."""

    def wait() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{url}/health/live").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_it_tries_until_all_is_there_and_tells_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    port, there, told = free_port(), threading.Event(), list[httpx.Response]()

    def attempt(settings: PrepareSettings) -> None:
        if not there.is_set():
            away(settings)

    def look() -> None:
        told.append(httpx.get(f"http://{LOOPBACK}:{port}/health/ready"))
        there.set()

    prepared_by(monkeypatch, attempt)
    looking = when_live(f"http://{LOOPBACK}:{port}", look)
    assert provision_before_serving({}, LOOPBACK, port, "HEALTH_PORT")
    looking.join()
    assert told[0].status_code == 503
    assert told[0].json()["parts"] == {"preparation": "waiting for Kafka and the databases"}
    assert provision_before_serving({}, LOOPBACK, port, "HEALTH_PORT"), "the port is free again"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    port = free_port()
    prepared_by(monkeypatch, away)
    asking = when_live(f"http://{LOOPBACK}:{port}", lambda: os.kill(os.getpid(), number))
    assert not provision_before_serving({}, LOOPBACK, port, "HEALTH_PORT")
    asking.join()


def test_what_waiting_does_not_mend_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: PrepareSettings) -> None:
        raise PrepareError("the login may not create tables")

    prepared_by(monkeypatch, refuse)
    with pytest.raises(PrepareError, match="may not create tables"):
        provision_before_serving({}, LOOPBACK, 0, "HEALTH_PORT")


def test_a_port_that_is_taken_is_named() -> None:
    with pytest.raises(PortError, match="GATEWAY_PORT"):
        provision_before_serving({}, "192.0.2.1", 1, "GATEWAY_PORT")
