"""Starts and ends replicas of the small service, and calls them without a pause."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import httpx

from cli.embedded.ports import free_port
from shared.contracts.account import USER_SIGNOUT, SignOut
from shared.contracts.errors import MeshError
from shared.kit.call import MeshClient
from shared.kit.clock import now_ms


class Replica:
    """One process. Only its own pid is ever signalled."""

    def __init__(self, folder: Path, bootstrap: str, seconds: float = 0.02) -> None:
        self.effects = folder / "effects"
        self._port = free_port()
        environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "HEALTH_PORT": str(self._port)}
        command = [sys.executable, "-m", "tests.faults.replica", str(self.effects), str(seconds)]
        self._log = (folder / "replicas.log").open("ab")
        self._process = subprocess.Popen(command, env=environ, stdout=self._log, stderr=self._log)

    async def until_ready(self, timeout_s: float = 30) -> None:
        """Wait until it has its partitions."""
        async with asyncio.timeout(timeout_s), httpx.AsyncClient() as http:
            while True:
                assert self._process.poll() is None, "it ended"
                try:
                    answer = await http.get(f"http://127.0.0.1:{self._port}/health/ready")
                    if answer.status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.1)

    async def leave(self) -> int:
        """Ask it to stop; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, 15)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._log.close()


class Load:
    """Calls of many keys, so many at once, each with its outcome and how long it took."""

    def __init__(self, client: MeshClient, *, deadline_s: float) -> None:
        self._client = client
        self._deadline_s = deadline_s
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.last_good_at = 0.0
        self.answered: set[str] = set()

    def start(self, at_once: int) -> None:
        self._tasks = [asyncio.create_task(self._call_on()) for _ in range(at_once)]

    async def stop(self) -> None:
        """Send no more, and wait for what is on the way."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def until_good(self, count: int, timeout_s: float) -> None:
        """Wait for so many more good answers."""
        wanted = self.outcomes["ok"] + count
        async with asyncio.timeout(timeout_s):
            while self.outcomes["ok"] < wanted:
                await asyncio.sleep(0.05)

    async def _call_on(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            self.outcomes[await self._call_once()] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)

    async def _call_once(self) -> str:
        request = SignOut(profile_id=uuid4(), session_id=uuid4())
        deadline_ms = now_ms() + int(self._deadline_s * 1000)
        try:
            reply = await self._client.call_raw(
                USER_SIGNOUT,
                b'{"profileId": "%s", "sessionId": "%s"}'
                % (str(request.profile_id).encode(), str(request.session_id).encode()),
                USER_SIGNOUT.key_of(request),
                correlation_id="load",
                deadline_ms=deadline_ms,
            )
        except MeshError as error:
            await asyncio.sleep(0.05)
            return error.kind.code
        if reply.error is not None:
            return reply.error
        self.last_good_at = time.monotonic()
        self.answered.add(reply.body.decode())
        return "ok"
