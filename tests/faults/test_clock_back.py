"""The clock of running processes goes back by 5 s; nothing stops and nothing is rejected.

libfaketime gives the processes a wall clock from a file; the monotonic clock is the machine's. Kafka and S3
run without it: it does not work with the many threads of Kafka, and S3 only compares times.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import libfaketime
import pytest

from cli.embedded.databases import run_sql
from tests.e2e.concord import Process
from tests.e2e.people import PASSWORD, Person, sign_up
from tests.faults.conftest import Mesh
from tests.faults.files_go_on import FilesGoOn
from tests.faults.load import Ledger, check_nothing_lost, history_of, send_until
from tests.support.polling import eventually, until
from tests.support.s3 import TestedS3, s3_settings

BACK_S = 5
SERVICES = ("auth", "server", "message", "file")
LIBRARY = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"


class WallClock:
    """The wall clock of processes that are started with its `environ`."""

    def __init__(self, file: Path) -> None:
        if not LIBRARY.exists():
            pytest.skip("libfaketime was not made for this machine")
        self._file = file
        self._set("+0")
        self.environ = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            # Otherwise, on a newer glibc, timed waits on the monotonic clock end at once: threads that wait
            # for the GIL take it from each other endlessly, and a call of S3 takes a second.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def set_back(self) -> None:
        self._set(f"-{BACK_S}")
        command = [sys.executable, "-c", "import time; print(time.time())"]
        completed = subprocess.run(
            command, env={**os.environ, **self.environ}, capture_output=True, check=True
        )
        behind = time.time() - float(completed.stdout)
        if behind < BACK_S:
            pytest.skip("libfaketime was made for another machine")

    def _set(self, offset: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(offset)
        new.replace(self._file)  # atomic for concurrent readers


@pytest.mark.parametrize("whose", [("gateway",), ("services",), ("gateway", "services", "postgres")])
async def test_nothing_stops_or_is_rejected(
    mesh: Mesh, s3: TestedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: Sequence[str]
) -> None:
    """If only some clocks go back, tokens come from the future, and deadlines move."""
    clocks = {name: WallClock(tmp_path / f"clock of {name}") for name in ("gateway", "services", "postgres")}
    with monkeypatch.context() as environ:
        for name, value in clocks["postgres"].environ.items():
            environ.setenv(name, value)
        mesh.postgres.stop()
        mesh.postgres.start()
        mesh.postgres.wait_ready()
    mesh.concord.environ.update(s3_settings(s3) | clocks["gateway"].environ)
    (gateway,) = mesh.concord.start("gateway")
    mesh.concord.environ.update(clocks["services"].environ)
    mesh.concord.start(*SERVICES)
    mesh.concord.wait_ready()
    channel = await goes_back(mesh, gateway, [clocks[name] for name in whose])
    for service, table in (("FILE", "files"), ("MESSAGE", "messages")):
        newest = f"(SELECT max(created_at) FROM {table} WHERE channel_id = '{channel}')"
        assert behind(mesh, service, newest) == ("services" in whose)
    assert behind(mesh, "MESSAGE", "clock_timestamp()") == ("postgres" in whose)


def behind(mesh: Mesh, service: str, time_told: str) -> bool:
    """Return True if a database's clock has been set back."""
    url = mesh.concord.environ[f"{service}_DATABASE_URL"]
    return time.time() - float(run_sql(url, f"SELECT extract(epoch FROM {time_told});")) > BACK_S - 1


async def goes_back(mesh: Mesh, gateway: Process, clocks: list[WallClock]) -> str:
    """Set the clocks back during sends, and check everything that depends on time.

    Return the channel with a new message and a new file.
    """
    with httpx.Client(base_url=gateway.url, timeout=20) as http:
        ada = sign_up(http)
        gone = ada.make_server()
        channels = [channel["id"] for channel in ada.make_server()["channels"]]
        ledger, stop = Ledger(), asyncio.Event()
        sending = asyncio.create_task(send_until(stop, gateway.url, ada, channels, at_once=8, ledger=ledger))
        await until(lambda: ledger.statuses[201] > 100, 60)
        eve = await asyncio.to_thread(sign_up, http, "Eve")
        files = FilesGoOn(ada, channels[0])
        await asyncio.to_thread(files.before)
        for clock in clocks:
            clock.set_back()
        began = time.monotonic()
        await asyncio.to_thread(sessions_go_on, http, eve)
        await asyncio.to_thread(events_arrive, ada, gone)
        await asyncio.to_thread(files.after)
        await until(lambda: time.monotonic() > began + BACK_S + 2)  # past the old time again
        await asyncio.to_thread(files.later)
        stop.set()
        await sending
        await asyncio.to_thread(eventually, mesh.outboxes_empty, 5)
        assert set(ledger.statuses) == {201}, ledger.problems[0].text
        assert ledger.slowest_s < BACK_S
        assert all(process.alive() for process in mesh.concord.processes)
        check_nothing_lost(ada, channels, ledger)
        for channel in channels:
            ids = [message["id"] for message in history_of(ada, channel)]
            assert ids == sorted(ids), "ids grow with the sequence"
        await asyncio.to_thread(files.share)
        assert ada.send(channels[0], "the last one").status_code == 201
        return str(channels[0])


def sessions_go_on(http: httpx.Client, eve: Person) -> None:
    """Check tokens issued in what is now the future, and new ones."""
    assert eve.get("/api/auth/me").status_code == 200
    refreshed = http.post("/api/auth/refresh", json={"refreshToken": eve.refresh_token})
    assert refreshed.status_code == 200, refreshed.text
    again = http.post("/api/auth/signin", json={"email": eve.profile["email"], "password": PASSWORD})
    assert again.status_code == 200, again.text
    for answer in (refreshed, again):
        token = answer.json()["accessToken"]
        me = http.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert me.status_code == 200, me.text
    assert eve.post("/api/auth/signout").status_code == 204
    eventually(lambda: eve.get("/api/auth/me").status_code == 401, 5)


def events_arrive(ada: Person, gone: dict[str, Any]) -> None:
    """A change in one service reaches the others at once: relays keep their leases."""
    path = gone["channels"][0]["id"]
    assert ada.send(path, "still here").status_code == 201
    assert ada.delete(f"/api/servers/{gone['id']}").status_code == 204
    eventually(lambda: ada.send(path, "gone").status_code == 404, 5)
