"""Overload of a gateway process on the real broker: memory stays bounded, it says so, and it recovers."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.contract.gateway.crowd import all_at_once, open_files, size_mib
from tests.contract.gateway.test_process import ME, auth_on, gateway_of
from tests.fakes.gateway import Signer
from tests.support.polling import until

REQUESTS = 10_000
GROWTH_MAX_MIB = 400
"""About 25 KiB per connection, and the requests in flight."""
TIMEOUT_S = 60
SLOW = 300


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.mark.timeout(240)
async def test_ten_thousand_requests_at_once(kafka_bootstrap: str, tmp_path: Path, signer: Signer) -> None:
    open_files(REQUESTS + 1000)
    token = signer.token()
    request = f"GET {ME} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    async with (
        auth_on(kafka_bootstrap, signer),
        gateway_of(kafka_bootstrap, tmp_path) as process,
        httpx.AsyncClient(base_url=process.url, timeout=TIMEOUT_S) as http,
    ):
        good = {"Authorization": f"Bearer {token}"}
        assert (await http.get(ME, headers=good)).status_code == 200
        before_mib = size_mib(process.pid)
        answers = await all_at_once(process.port, [request] * REQUESTS, TIMEOUT_S)
        statuses = Counter(status for status, _ in answers)
        assert statuses.keys() <= {200, 503}, statuses
        assert statuses[200] >= 1000
        assert statuses[503] > 0, "it could take all of them: that is no storm"
        assert all(b"retry-after: " in head for status, head in answers if status == 503)
        grown_mib = size_mib(process.pid, "VmHWM") - before_mib
        assert grown_mib < GROWTH_MAX_MIB
        begun = time.monotonic()
        for _ in range(20):
            assert (await http.get(ME, headers=good)).status_code == 200
        assert time.monotonic() - begun < 5
        metrics = (await http.get("/metrics")).text
        assert "concord_http_requests_in_flight 0.0" in metrics


async def test_bodies_of_one_byte_a_second(kafka_bootstrap: str, tmp_path: Path, signer: Signer) -> None:
    """They are ended in time, and delay no other request."""
    head = b"POST /api/auth/signin HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"

    async def drip(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"Content-Length: 60\r\n\r\n")
        answer = asyncio.create_task(reader.readuntil(b'"code":"body.malformed"'))
        while not answer.done():
            writer.write(b" ")
            await asyncio.sleep(1)
        writer.close()
        return await answer

    async with (
        auth_on(kafka_bootstrap, signer),
        gateway_of(kafka_bootstrap, tmp_path, BODY_TIMEOUT_MS="4000") as process,
        httpx.AsyncClient(base_url=process.url, timeout=TIMEOUT_S) as http,
    ):
        good = {"Authorization": f"Bearer {signer.token()}"}
        begun = time.monotonic()
        dripping = [asyncio.create_task(drip(process.port)) for _ in range(SLOW)]
        while not any(task.done() for task in dripping):
            assert (await http.get(ME, headers=good)).status_code == 200
            await asyncio.sleep(0.1)
        answers = await asyncio.gather(*dripping)
        assert 3.5 < time.monotonic() - begun < 15
        assert all(answer.startswith(b"HTTP/1.1 400 ") for answer in answers)
        assert (await http.get(ME, headers=good)).status_code == 200


async def test_slow_bodies_of_a_caller_are_bounded_by_its_rate_limit(
    kafka_bootstrap: str, tmp_path: Path, signer: Signer
) -> None:
    """The limit is charged before the body is read."""
    head = b"POST /api/auth/signin HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"

    async def begin(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"Content-Length: 60\r\n\r\n{")
        try:
            return await reader.readline()
        finally:
            writer.close()

    async with (
        auth_on(kafka_bootstrap, signer),
        gateway_of(kafka_bootstrap, tmp_path, RATE_LIMIT_PER_MINUTE="100") as process,
    ):
        asking = [asyncio.create_task(begin(process.port)) for _ in range(30)]
        await until(lambda: sum(task.done() for task in asking) >= 20)
        answers = [task.result() for task in asking if task.done()]
        assert [answer.split()[1] for answer in answers] == [b"429"] * 20
        for task in asking:
            task.cancel()
