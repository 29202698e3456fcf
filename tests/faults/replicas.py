"""Start and end replicas of the small service, and call them continuously."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from uuid import uuid4

import httpx

from cli.config.ports import free_port
from shared.contracts.account import USER_SIGNOUT, SignOut
from shared.contracts.errors import ServiceError
from shared.kit.clock import now_ms
from shared.kit.rpc.client import RpcClient
from tests.unit.kit.rpc.calls import SECRET


class Replica:
    """One process; signals go to its pid only."""

    def __init__(self, folder: Path, bootstrap: str, seconds: float = 0.02) -> None:
        self.effects = folder / "effects"
        self._port = free_port()
        mesh = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "MESH_SECRET": SECRET}
        environ = {**os.environ, **mesh, "HEALTH_PORT": str(self._port)}
        command = [sys.executable, "-m", "tests.faults.replica", str(self.effects), str(seconds)]
        self._log = (folder / "replicas.log").open("ab")
        self._process = subprocess.Popen(command, env=environ, stdout=self._log, stderr=self._log)

    async def until_ready(self, timeout_s: float = 30) -> None:
        """Wait until the replica has its partitions."""
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
        """Send SIGTERM and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, 15)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._log.close()


PULSE_S = 0.1


class Load:
    """Concurrent calls of many keys, with the outcome and the duration of each.

    `slowest_s` counts ticks of this loop: if the machine has no time for it, both stand still.
    """

    def __init__(self, client: RpcClient, *, deadline_s: float) -> None:
        self._client = client
        self._deadline_s = deadline_s
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._pulses = 0
        self.answered: set[str] = set()

    def start(self, at_once: int) -> None:
        self._tasks = [asyncio.create_task(self._call_on()) for _ in range(at_once)]
        self._pulse = asyncio.create_task(self._count_pulses())

    async def stop(self) -> None:
        """Stop calling, and wait for pending calls."""
        self._stop.set()
        await asyncio.gather(*self._tasks)
        self._pulse.cancel()

    async def until_good(self, count: int, timeout_s: float) -> None:
        """Wait for `count` more successful calls."""
        await self.until("ok", self.outcomes["ok"] + count, timeout_s)

    async def until(self, outcome: str, count: int, timeout_s: float) -> None:
        """Wait until the outcome has occurred `count` times."""
        async with asyncio.timeout(timeout_s):
            while self.outcomes[outcome] < count:
                await asyncio.sleep(0.05)

    async def _call_on(self) -> None:
        while not self._stop.is_set():
            begun = self._pulses
            self.outcomes[await self._call_once()] += 1
            self.slowest_s = max(self.slowest_s, (self._pulses - begun) * PULSE_S)

    async def _count_pulses(self) -> None:
        while True:
            await asyncio.sleep(PULSE_S)
            self._pulses += 1

    async def _call_once(self) -> str:
        request = SignOut(profile_id=uuid4(), session_id=uuid4())
        deadline_ms = now_ms() + int(self._deadline_s * 1000)
        try:
            reply = await self._client.send_raw(
                USER_SIGNOUT,
                b'{"profileId": "%s", "sessionId": "%s"}'
                % (str(request.profile_id).encode(), str(request.session_id).encode()),
                USER_SIGNOUT.key_of(request),
                correlation_id="load",
                deadline_ms=deadline_ms,
            )
        except ServiceError as error:
            await asyncio.sleep(0.05)
            return error.code.name
        if reply.error is not None:
            return reply.error
        self.answered.add(reply.body.decode())
        return "ok"
