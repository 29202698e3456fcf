"""Processes are killed during sends; nothing is lost or doubled, and service resumes by itself."""

import asyncio
import secrets
import time

import httpx

from tests.e2e.people import Person, sign_up
from tests.faults.conftest import Mesh
from tests.faults.load import Ledger, check_nothing_lost, check_problems, send_many, send_until

DEADLINE_S = 10.0


def _channels(ada: Person, count: int) -> list[str]:
    server = ada.make_server()
    path = f"/api/servers/{server['id']}/channels"
    made = [ada.post(path, json={"name": f"c{number}", "type": "TEXT"}) for number in range(count)]
    return [response.json()["id"] for response in made]


async def test_kill_a_message_replica_during_a_thousand_sends(mesh: Mesh) -> None:
    """Every send is answered by its deadline; the other replica serves all channels within 15 s."""
    gateway, _, _, first, _ = mesh.concord.start("gateway", "auth", "server", "message", "message")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        ada = sign_up(http)
        channels = _channels(ada, 12)
        ledger = Ledger()
        await send_many(gateway.url, ada, channels, 100, at_once=16, ledger=ledger)
        sending = asyncio.create_task(send_many(gateway.url, ada, channels, 1000, at_once=64, ledger=ledger))
        while ledger.answered < 400:
            await asyncio.sleep(0.002)
        first.kill()
        killed_at = time.monotonic()
        await sending
        assert ledger.answered == 1100
        assert ledger.slowest_s < DEADLINE_S + 1.5
        check_problems(ledger)
        for channel in channels:
            while ada.send(channel, secrets.token_hex(8)).status_code != 201:
                assert time.monotonic() - killed_at < 15
        check_nothing_lost(ada, channels, ledger)


async def test_restart_postgres_and_kafka_while_requests_come_in(mesh: Mesh) -> None:
    """Errors have `Retry-After`, and every process recovers by itself."""
    gateway, *_ = mesh.concord.start("gateway", "auth", "server", "message")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        ada = sign_up(http)
        channels = _channels(ada, 4)
        ledger, stop = Ledger(), asyncio.Event()
        sending = asyncio.create_task(send_until(stop, gateway.url, ada, channels, at_once=16, ledger=ledger))
        await asyncio.sleep(1)
        for part in (mesh.postgres, mesh.kafka):
            await asyncio.to_thread(part.stop)
            await asyncio.sleep(2)
            await asyncio.to_thread(part.start)
            await asyncio.to_thread(part.wait_ready)
            await _recovered(ledger)
        stop.set()
        await sending
        assert all(process.alive() for process in mesh.concord.processes)
        check_problems(ledger)
        check_nothing_lost(ada, channels, ledger)


async def test_restart_a_gateway_while_requests_come_in(mesh: Mesh) -> None:
    """The stopping gateway answers pending requests, the other one serves; no reply is lost."""
    leaving, staying, *_ = mesh.concord.start("gateway", "gateway", "auth", "server", "message", "message")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=staying.url, timeout=30) as http:
        ada = sign_up(http)
        channels = _channels(ada, 8)
        ledger, stop = Ledger(), asyncio.Event()
        here = asyncio.create_task(send_until(stop, staying.url, ada, channels, at_once=8, ledger=ledger))
        through_leaving = asyncio.create_task(
            send_many(leaving.url, ada, channels, 400, at_once=8, ledger=ledger)
        )
        await through_leaving
        late = asyncio.create_task(send_until(stop, leaving.url, ada, channels, at_once=8, ledger=Ledger()))
        await asyncio.sleep(0.2)
        assert await asyncio.to_thread(leaving.stop) == 0
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        before = ledger.answered
        await asyncio.sleep(1)
        stop.set()
        await here
        assert ledger.answered > before
        assert set(ledger.statuses) == {201}
        check_nothing_lost(ada, channels, ledger)


async def _recovered(ledger: Ledger) -> None:
    """Wait until sends succeed again, at most 30 s."""
    before = ledger.statuses[201]
    deadline = time.monotonic() + 30
    while ledger.statuses[201] < before + 128:
        assert time.monotonic() < deadline, f"no recovery: {ledger.statuses}"
        await asyncio.sleep(0.1)
