"""Ten thousand concurrent sends: the memory of all processes stays bounded, and nothing is lost."""

import asyncio
import time
from collections import Counter

import httpx
import pytest

from tests.contract.gateway.crowd import all_at_once, open_files, size_mib
from tests.e2e.people import sign_up
from tests.faults.conftest import Mesh
from tests.faults.load import history_of

SENDS = 10_000
CHANNELS = 8
TIMEOUT_S = 60
GROWTH_MAX_MIB = {"gateway": 400, "message": 200, "server": 100, "auth": 100}


def send_of(token: str, channel: str, number: int) -> bytes:
    body = b'{"content": "send %d", "nonce": "n-%d"}' % (number, number)
    head = (
        f"POST /api/channels/{channel}/messages HTTP/1.1\r\nHost: gateway\r\n"
        f"Authorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.mark.timeout(240)
async def test_ten_thousand_sends_at_once(mesh: Mesh) -> None:
    open_files(SENDS + 1000)
    processes = mesh.concord.start(*GROWTH_MAX_MIB)
    await asyncio.to_thread(mesh.concord.wait_ready)
    gateway = processes[0]
    with httpx.Client(base_url=gateway.url, timeout=20) as http:
        ada = sign_up(http)
        server = ada.make_server()
        path = f"/api/servers/{server['id']}/channels"
        made = [ada.post(path, json={"name": f"c{number}", "type": "TEXT"}) for number in range(CHANNELS)]
        channels = [answer.json()["id"] for answer in made]
        assert all(ada.send(channel, "warm").status_code == 201 for channel in channels)
        before = {process.service: size_mib(process.pid) for process in processes}

        requests = [send_of(ada.access_token, channels[n % CHANNELS], n) for n in range(SENDS)]
        answers = await all_at_once(gateway.port, requests, TIMEOUT_S)

        statuses = Counter(status for status, _ in answers)
        assert statuses.keys() <= {201, 503, 504}, statuses
        assert statuses[201] >= 1000, statuses
        assert statuses[503] > 0, "it could take all of them: that is no flood"
        assert all(b"retry-after: " in head for status, head in answers if status != 201)
        grown = {
            process.service: size_mib(process.pid, "VmHWM") - before[process.service] for process in processes
        }
        print(f"{dict(statuses)}; grown by {grown} MiB")  # printed on failure, and with -s
        assert {name: mib for name, mib in grown.items() if mib > GROWTH_MAX_MIB[name]} == {}

        begun = time.monotonic()
        assert all(ada.send(channel, "as before").status_code == 201 for channel in channels * 3)
        assert time.monotonic() - begun < 5
        check_stored(answers, [history_of(ada, channel) for channel in channels])
        assert all(process.alive() for process in processes)


def check_stored(answers: list[tuple[int, bytes]], histories: list[list[dict[str, object]]]) -> None:
    """Check that acknowledged messages exist once, and that sequences have no gap."""
    for history in histories:
        assert [message["sequence"] for message in history] == list(range(1, len(history) + 1))
    times = Counter(message["nonce"] for history in histories for message in history if message["nonce"])
    assert set(times.values()) == {1}
    good = {f"n-{number}" for number, (status, _) in enumerate(answers) if status == 201}
    assert good <= times.keys()
