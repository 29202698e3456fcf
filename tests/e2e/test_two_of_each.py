"""Two gateways and two replicas of each service."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from tests.e2e.concord import Concord, Process
from tests.e2e.people import PASSWORD, Person, sign_up

pytestmark = pytest.mark.timeout(300)  # the processes start slowly on a busy machine

TIMEOUT_S = 15
REVOKED_WITHIN_S = 5
LOCKED_S = 2.0


class Pair:
    """The processes, and clients of both gateways."""

    def __init__(self, concord: Concord, gateways: list[Process]) -> None:
        self.concord = concord
        self.urls = [gateway.url for gateway in gateways]
        self.https = [httpx.Client(base_url=url, timeout=TIMEOUT_S) for url in self.urls]

    def close(self) -> None:
        for http in self.https:
            http.close()

    def person(self, gateway: int = 0) -> Person:
        return sign_up(self.https[gateway])

    def sign_in(self, person: Person, gateway: int) -> Person:
        """Sign the person in again, through one of the gateways."""
        body = {"email": person.profile["email"], "password": PASSWORD}
        response = self.https[gateway].post("/api/auth/signin", json=body)
        return Person(self.https[gateway], response.raise_for_status().json())


@pytest.fixture(scope="module")
def pair(concord: Concord) -> Iterator[Pair]:
    """Add a second process of each service to the shared Concord; the two share the partitions."""
    first = concord.processes[0]
    added = concord.start("gateway", "auth", "server", "message", "file")
    try:
        concord.wait_ready()
        running = Pair(concord, [first, added[0]])
        yield running
        running.close()
    finally:
        for process in added:
            process.stop()
            concord.processes.remove(process)


@asynccontextmanager
async def clients_of(pair: Pair) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Yield a client of each gateway for many concurrent requests."""
    limits = httpx.Limits(max_connections=None)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits))
            for url in pair.urls
        ]


class Caller:
    """A person with their own server, who sends requests to both gateways in turn."""

    def __init__(self, pair: Pair, clients: list[httpx.AsyncClient]) -> None:
        self.person = pair.person()
        self.server = self.person.make_server(f"of {self.person.id}"[:100])
        self.channel = self.server["channels"][0]["id"]
        self._clients = itertools.cycle(clients)

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and check that the response has its correlation id."""
        correlation_id = secrets.token_hex(8)
        headers = {"Authorization": f"Bearer {self.person.access_token}", "X-Correlation-Id": correlation_id}
        response = await next(self._clients).request(method, path, headers=headers, **options)
        assert response.headers["x-correlation-id"] == correlation_id
        return response

    async def me(self) -> None:
        response = await self.request("GET", "/api/auth/me")
        assert (response.status_code, response.json()) == (200, self.person.profile)

    async def my_server(self) -> None:
        response = await self.request("GET", f"/api/servers/{self.server['id']}")
        assert (response.status_code, response.json()) == (200, self.server)

    async def my_servers(self) -> None:
        response = await self.request("GET", "/api/servers")
        assert (response.status_code, response.json()["items"]) == (200, [self.server])

    async def send(self) -> int:
        """Send a message; return its sequence."""
        content = secrets.token_hex(8)
        path = f"/api/channels/{self.channel}/messages"
        response = await self.request("POST", path, json={"content": content})
        assert response.status_code == 201, response.text
        sent = response.json()
        whose = (sent["content"], sent["channelId"], sent["profileId"])
        assert whose == (content, self.channel, self.person.id)
        return int(sent["sequence"])

    async def mixed_requests(self) -> None:
        """Send five different requests at once."""
        sequences = await asyncio.gather(
            self.send(), self.send(), self.me(), self.my_server(), self.my_servers()
        )
        assert sorted(sequences[:2]) == [1, 2]


async def test_two_hundred_concurrent_requests_get_their_own_answers(pair: Pair) -> None:
    async with clients_of(pair) as clients:
        callers = [Caller(pair, clients) for _ in range(40)]
        await asyncio.gather(*(caller.mixed_requests() for caller in callers))
    for process in pair.concord.processes:
        if process.service in ("auth", "server", "message"):
            assert await asyncio.to_thread(answered_by, process) > 0, f"one {process.service} idles"


async def test_sends_through_both_gateways_are_numbered_without_a_gap(pair: Pair) -> None:
    async with clients_of(pair) as clients:
        caller = Caller(pair, clients)
        sequences = await asyncio.gather(*(caller.send() for _ in range(200)))
    assert sorted(sequences) == list(range(1, 201))
    for gateway in pair.https:
        newest: list[int] = []
        cursor: dict[str, str] = {}
        while len(newest) < 200:
            page = gateway.get(
                f"/api/channels/{caller.channel}/messages",
                params={"limit": 100, **cursor},
                headers={"Authorization": f"Bearer {caller.person.access_token}"},
            ).json()
            newest.extend(message["sequence"] for message in page["items"])
            cursor = {"before": page["next"]}
        assert newest == list(range(200, 0, -1))


def answered_by(process: Process) -> float:
    """Return the number of requests that a process has answered."""
    metrics = httpx.get(f"{process.url}/metrics", timeout=TIMEOUT_S).raise_for_status().text
    lines = [line for line in metrics.splitlines() if line.startswith("concord_request_seconds_count{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_a_revoked_session_ends_at_both_gateways_and_at_a_new_one(pair: Pair) -> None:
    ada = pair.person()
    other, untouched = pair.sign_in(ada, 0), pair.sign_in(ada, 1)
    sessions = other.get("/api/auth/sessions").json()["items"]
    (revoked,) = (session["id"] for session in sessions if session["current"])
    assert [status_of(http, other) for http in pair.https] == [200, 200]
    assert ada.delete(f"/api/auth/sessions/{revoked}").status_code == 204
    revoked_at = time.monotonic()
    for http in pair.https:
        while status_of(http, other) != 401:
            assert time.monotonic() - revoked_at < REVOKED_WITHIN_S
            time.sleep(0.05)
    assert time.monotonic() - revoked_at < REVOKED_WITHIN_S
    (later,) = pair.concord.start("gateway")
    later.wait_ready()
    with httpx.Client(base_url=later.url, timeout=TIMEOUT_S) as http:
        refused = http.get("/api/auth/me", headers={"Authorization": f"Bearer {other.access_token}"})
        assert (refused.status_code, refused.json()["code"]) == (401, "token.invalid")
        assert [status_of(http, person) for person in (ada, untouched)] == [200, 200]
    later.stop()
    pair.concord.processes.remove(later)
    assert [status_of(http, untouched) for http in pair.https] == [200, 200]


def status_of(http: httpx.Client, person: Person) -> int:
    """Return the status with which a gateway answers this person's token."""
    return http.get("/api/auth/me", headers={"Authorization": f"Bearer {person.access_token}"}).status_code


async def test_a_locked_channel_delays_only_its_own_sends(pair: Pair) -> None:
    """Another transaction locks the row of one channel: only sends to it wait, in order."""
    async with clients_of(pair) as clients:
        locked, *others = (Caller(pair, clients) for _ in range(9))
        await asyncio.gather(*(caller.send() for caller in (locked, *others)))
        connection = await asyncpg.connect(pair.concord.environ["MESSAGE_DATABASE_URL"])
        try:
            async with connection.transaction():
                row = await connection.fetchrow(
                    "SELECT 1 FROM channels WHERE id = $1 FOR UPDATE", locked.channel
                )
                assert row is not None
                locked_at = time.monotonic()
                waiting = [asyncio.create_task(locked.send()) for _ in range(4)]
                rounds = 0
                while time.monotonic() - locked_at < LOCKED_S:
                    sent = await asyncio.gather(*(caller.send() for caller in others))
                    rounds += 1
                    assert set(sent) == {rounds + 1}
                    assert not any(task.done() for task in waiting)
        finally:
            await connection.close()
        assert rounds >= 2, "the other channels had to wait"
        freed_at = time.monotonic()
        assert sorted(await asyncio.gather(*waiting)) == [2, 3, 4, 5]
        assert time.monotonic() - freed_at < LOCKED_S
