"""The files that the Dockerfile copies are enough, for a user without rights who cannot write them.

No container engine is needed: what it copies is copied, what it sets is set, and its entry point is started.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from cli.config.ports import LOOPBACK, free_port
from cli.embedded.postgres_user import namespaces_work, unshare_prefix
from shared.contracts.catalogue import SERVICES
from tests.unit.kit.rpc.calls import SECRET

ROOT = Path(__file__).parents[2]
STAGES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").split("\nFROM ")
pytestmark = pytest.mark.skipif(
    os.geteuid() == 0 and not namespaces_work(),
    reason="root can write everywhere, and no user namespaces here",
)
OF_THE_PLACE = {"PATH", "PYTHONPATH"}


def words(instruction: str) -> list[str]:
    """Return the text after the last instruction of its kind in the image."""
    text = re.findall(rf"^{instruction} (.+)$", STAGES[-1], re.M)[-1]
    found: list[str] = json.loads(text) if text.startswith("[") else text.split()
    return found


@pytest.fixture
def image() -> Iterator[Path]:
    """The folder of the code as in the image; nobody may write into it."""
    folder = Path(tempfile.mkdtemp(prefix="concord-image-"))
    code = folder / "code"
    code.mkdir()
    for line in re.findall(r"^COPY (?!--from|requirements)(.+)$", STAGES[1], re.M):
        *sources, target = line.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, code / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, code / target)
    folder.chmod(0o755)
    for path in (code, *code.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield code
    for path in (code, *code.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


class Container:
    """Starts programs as the image would: where the tests run as root, as one whose rights are taken away."""

    def __init__(self, code: Path, environ: dict[str, str]) -> None:
        pairs = (pair.split("=", 1) for pair in words("ENV"))
        of_the_image = {name: value for name, value in pairs if name not in OF_THE_PLACE}
        here = {"HEALTH_HOST": LOOPBACK, "GATEWAY_HOST": LOOPBACK}
        self._code = code
        self._given = environ
        self._environ = {**of_the_image, **here, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(code), **environ}
        self._prefix = unshare_prefix() if os.geteuid() == 0 else []

    def start(self, *command: str, **environ: str) -> subprocess.Popen[str]:
        program, *arguments = command
        assert program == "python"
        return subprocess.Popen(
            [*self._prefix, sys.executable, *arguments],
            env=self._environ | environ,
            cwd=self._code,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def with_only(self, names: Iterable[str]) -> "Container":
        """One that is given no more than these."""
        return Container(self._code, {name: self._given[name] for name in names})

    def run(self, *command: str, **environ: str) -> tuple[int, str]:
        """Exit code and output."""
        process = self.start(*command, **environ)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said


@pytest.fixture
def container(image: Path, kafka_bootstrap: str, database_url: Callable[[], str]) -> Container:
    return Container(
        image,
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            "MESH_SECRET": SECRET,
            **{f"{name.upper()}_DATABASE_URL": database_url() for name in SERVICES},
        },
    )


def test_without_a_word_it_tells_what_it_can_do(image: Path) -> None:
    code, said = Container(image, {}).run(*words("ENTRYPOINT"), *words("CMD"))
    assert code == 0, said
    assert "dead-letters" in said


def test_nothing_can_be_written_there(image: Path) -> None:
    code, said = Container(image, {}).run("python", "-c", "open('apps/new.py', 'w')")
    assert code == 1
    assert "PermissionError" in said


def test_it_prepares_serves_and_leaves(container: Container) -> None:
    entry, health = words("ENTRYPOINT"), words("HEALTHCHECK.*? CMD")
    code, said = container.run(*entry, "prepare")
    assert code == 0, said
    ports = {name: str(free_port()) for name in ("auth", "gateway")}
    places = {"auth": {"HEALTH_PORT": ports["auth"]}, "gateway": {"GATEWAY_PORT": ports["gateway"]}}
    running = {
        name: container.start(*entry, "run", name, CONCORD_PREPARED="1", **place)
        for name, place in places.items()
    }
    try:
        deadline = time.monotonic() + 60
        for name, place in places.items():
            while container.run(*health, **place)[0] != 0:
                assert running[name].poll() is None, running[name].communicate()
                assert time.monotonic() < deadline, container.run(*health, **place)
        for path in ("/api/docs", "/api/asyncapi"):
            assert httpx.get(f"http://127.0.0.1:{ports['gateway']}{path}").status_code == 200
    finally:
        for process in running.values():
            process.send_signal(getattr(signal, words("STOPSIGNAL")[0]))
        said = {name: process.communicate(timeout=20)[0] for name, process in running.items()}
    assert {name: process.returncode for name, process in running.items()} == {"auth": 0, "gateway": 0}, said
    assert container.run(*health, **places["auth"])[0] == 1, "it is gone"


def test_the_tools_run_in_the_container_of_prepare(container: Container) -> None:
    """Each line of the page about running it, with what compose.yaml gives that container, and no more."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["prepare"]
    page = (ROOT / "docs" / "operating.md").read_text()
    lines = [line.strip() for line in re.findall(r"^docker compose run --rm prepare([^#\n]*)", page, re.M)]
    tools, said = container.with_only(compose["environment"]), {}
    for line in sorted(lines):  # the one without a word, which makes the topics, is first
        arguments = line.replace("…", "-and-so-on").split() or compose["command"]
        said[line.partition(" ")[0]] = tools.run(*words("ENTRYPOINT"), *arguments)
    code, text = said[""]
    assert (code, text.splitlines()[-1]) == (
        0,
        "Topics and tables are ready",
    )  # after what others made differently
    assert said["trace"][0] == 1
    assert said["trace"][1].startswith("concord: Nothing since")
    code, text = said["dead-letters"]
    assert (code, "message/0/17" in text) == (1, True), text
    assert tools.run(*words("ENTRYPOINT"), "dead-letters", "list")[0] == 0
