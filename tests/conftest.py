"""What tests run against: a real Kafka, a real Postgres and an S3, on free ports, in a temporary folder."""

import os
import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from cli.config.ports import LOOPBACK, free_port
from cli.config.settings import cache_folder
from cli.embedded.databases import drop_database, ensure_database
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.s3 import EmbeddedS3
from shared.kit.kafka import aiokafka_patches
from tests.support.orphans import adopt_orphans, end_all_below
from tests.support.s3 import TestedS3, delete_buckets, outside_s3

LONG_FIRST = (
    *("faults/test_durability.py", "faults/test_files.py::test_a_", "faults/test_clock_back.py"),
    *("faults/test_files.py", "e2e/", "cli/test_up.py", "security/", "cli/", "integration/", "contract/"),
    *("bench/", "web/", "unit/"),
)
"""So that no worker is left with a long one at the end."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Patch aiokafka as processes do; the process above the workers adopts what outlives them."""
    aiokafka_patches.apply()
    if has_workers(session.config):
        adopt_orphans()


def has_workers(config: pytest.Config) -> bool:
    """Whether this is the process that shares the tests out (pytest-xdist)."""
    return config.pluginmanager.has_plugin("dsession")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Tests that leave a process behind are not good."""
    yield
    if has_workers(session.config) and (left := end_all_below()):
        print(f"\nleft behind, and ended now: {left}")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What tests of garbage print can not always be encoded, and a worker has to send it."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long first."""

    def order(item: pytest.Item) -> int:
        place = item.nodeid.removeprefix("tests/")
        found = (number for number, start in enumerate(LONG_FIRST) if place.startswith(start))
        return next(found, len(LONG_FIRST))

    items.sort(key=order)


TOGETHER = {
    "what shares a Concord": ("tests/e2e/",),
    # One after another: what is answered in time while nothing else loads the machine is late when it does.
    "what loads the machine": (
        "tests/faults/test_durability.py",
        "tests/faults/test_kills.py",
        "tests/faults/test_flood.py",
    ),
    "what is large": ("tests/faults/test_files.py::test_a_",),
}


class ByPlace(LoadFileScheduling):
    """One worker has all tests of a file, and of the files that belong together."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((what for what, places in TOGETHER.items() if nodeid.startswith(places)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByPlace | None:
    """How tests are shared out among workers, where `--dist loadfile` asks for files; else as xdist does."""
    return ByPlace(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def infra_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and logs of this run's infrastructure."""
    return tmp_path_factory.mktemp("infra")


@pytest.fixture(scope="session")
def jar_cache() -> JarCache:
    """The jars, shared with every other run of this user."""
    return JarCache(cache_folder(os.environ))


@pytest.fixture(scope="session")
def kafka_bootstrap(infra_folder: Path, jar_cache: JarCache) -> Iterator[str]:
    """A real broker for the whole run: `127.0.0.1:PORT`. It creates no topic by itself."""
    kafka = EmbeddedKafka(infra_folder / "kafka", free_port(), jar_cache, infra_folder / "kafka.log")
    try:
        kafka.start(print)
        kafka.wait_ready()
        yield kafka.bootstrap
    finally:
        kafka.stop()


@pytest.fixture(scope="session")
def postgres_admin_url(infra_folder: Path) -> Iterator[str]:
    """The superuser's URL of a real server for the whole run."""
    fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
    postgres = EmbeddedPostgres(infra_folder / "postgres", free_port(), infra_folder / "postgres.log", fast)
    try:
        postgres.start()
        postgres.wait_ready()
        yield postgres.admin_url
    finally:
        postgres.stop()


@contextmanager
def empty_database(admin_url: str) -> Iterator[str]:
    """The URL (`postgresql://user:password@host:port/name`) of a database without a table."""
    name, password = f"t_{secrets.token_hex(6)}", secrets.token_urlsafe(12)
    ensure_database(admin_url, name, password)
    port = admin_url.rpartition(":")[2].partition("/")[0]
    try:
        yield f"postgresql://{name}:{password}@{LOOPBACK}:{port}/{name}"
    finally:
        drop_database(admin_url, name)


@pytest.fixture
def database_url(postgres_admin_url: str) -> Iterator[Callable[[], str]]:
    """A factory of fresh, empty databases, by URL."""
    with ExitStack() as made:
        yield lambda: made.enter_context(empty_database(postgres_admin_url))


@pytest.fixture(scope="session")
def s3(infra_folder: Path) -> Iterator[TestedS3]:
    """An S3 for the whole run; who needs it empty takes a bucket of its own."""
    if outside := outside_s3():
        yield outside
        delete_buckets(outside)
        return
    key = (secrets.token_urlsafe(16), secrets.token_urlsafe(32))
    server = EmbeddedS3(infra_folder / "s3", free_port(), infra_folder / "s3.log", lambda: key)
    try:
        server.start()
        server.wait_ready()
        yield TestedS3(server.url, server.key, is_embedded=True)
    finally:
        server.stop()
