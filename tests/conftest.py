"""The order of tests, their distribution among workers, and the Kafka, Postgres and S3 they run against.

The infrastructure is real, on free ports, in a temporary folder; it starts when a test first needs it.
"""

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
from tests.support.s3 import TestedS3, delete_buckets, external_s3

ORDER = (
    *("faults/test_durability.py", "faults/test_files.py::test_a_", "faults/test_clock_back.py"),
    *("faults/test_up.py", "faults/test_infra_up.py", "faults/test_interrupted.py"),
    *("faults/test_files.py", "e2e/", "e2e/test_kafka_garbage.py", "cli/test_up.py", "security/", "cli/"),
    *("integration/", "contract/", "bench/", "web/", "unit/"),
)
"""Long tests come first, so that no worker is left with one at the end; of two prefixes the longer counts.

The garbage comes after the other end-to-end tests, which would have to read hundreds of megabytes of it.
"""

ONE_WORKER = {
    "share one Concord": ("tests/e2e/",),
    # They measure how soon calls are answered while they load the machine themselves.
    "load the machine": (
        "tests/faults/test_durability.py",
        "tests/faults/test_kills.py",
        "tests/faults/test_flood.py",
    ),
    "need gigabytes": ("tests/faults/test_files.py::test_a_",),
}
"""Groups of tests that one worker runs one after the other: the reason, and the start of their ids."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Patch aiokafka as processes do; make the controller adopt orphans, so that no process outlives it."""
    aiokafka_patches.apply()
    if is_controller(session.config):
        adopt_orphans()


def is_controller(config: pytest.Config) -> bool:
    """Return True in the process that distributes tests among workers (pytest-xdist)."""
    return config.pluginmanager.has_plugin("dsession")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Fail the run if tests left a process behind."""
    yield
    if is_controller(session.config) and (orphans := end_all_below()):
        print(f"\nleft behind, and ended now: {orphans}")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape output that has no encoding, as tests of garbage print it: a worker could not send it."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort tests by `ORDER`; within one prefix they keep their order."""
    items.sort(key=lambda item: rank_of(item.nodeid))


def rank_of(nodeid: str) -> int:
    """Return the index in `ORDER` of the longest prefix of a test id, or one past the end."""
    path = nodeid.removeprefix("tests/")
    prefixes = [prefix for prefix in ORDER if path.startswith(prefix)]
    return ORDER.index(max(prefixes, key=len)) if prefixes else len(ORDER)


class FileAndGroupScheduling(LoadFileScheduling):
    """Give all tests of a file, and of a group of `ONE_WORKER`, to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((group for group, starts in ONE_WORKER.items() if nodeid.startswith(starts)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FileAndGroupScheduling | None:
    """Replace the scheduler of `--dist loadfile`; return None for xdist's own scheduler otherwise."""
    return FileAndGroupScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def infra_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for data and logs of this run's infrastructure."""
    return tmp_path_factory.mktemp("infra")


@pytest.fixture(scope="session")
def jar_cache() -> JarCache:
    """Return the cache of jars, which all runs of this user share."""
    return JarCache(cache_folder(os.environ))


@pytest.fixture(scope="session")
def kafka_bootstrap(infra_folder: Path, jar_cache: JarCache) -> Iterator[str]:
    """Run a broker for the session and yield `127.0.0.1:PORT`. It does not create topics automatically."""
    kafka = EmbeddedKafka(infra_folder / "kafka", free_port(), jar_cache, infra_folder / "kafka.log")
    try:
        kafka.start(print)
        kafka.wait_ready()
        yield kafka.bootstrap
    finally:
        kafka.stop()


@pytest.fixture(scope="session")
def postgres_admin_url(infra_folder: Path) -> Iterator[str]:
    """Run a Postgres for the session and yield the superuser's URL."""
    unsafe_but_fast = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "200",
    }
    postgres = EmbeddedPostgres(
        infra_folder / "postgres", free_port(), infra_folder / "postgres.log", unsafe_but_fast
    )
    try:
        postgres.start()
        postgres.wait_ready()
        yield postgres.admin_url
    finally:
        postgres.stop()


@contextmanager
def empty_database(admin_url: str) -> Iterator[str]:
    """Create a database without tables; yield its URL (`postgresql://user:password@host:port/name`)."""
    name, password = f"t_{secrets.token_hex(6)}", secrets.token_urlsafe(12)
    ensure_database(admin_url, name, password)
    port = admin_url.rpartition(":")[2].partition("/")[0]
    try:
        yield f"postgresql://{name}:{password}@{LOOPBACK}:{port}/{name}"
    finally:
        drop_database(admin_url, name)


@pytest.fixture
def database_url(postgres_admin_url: str) -> Iterator[Callable[[], str]]:
    """Yield a factory of empty databases that returns their URLs."""
    with ExitStack() as databases:
        yield lambda: databases.enter_context(empty_database(postgres_admin_url))


@pytest.fixture(scope="session")
def s3(infra_folder: Path) -> Iterator[TestedS3]:
    """Yield an S3 for the session; a test that needs an empty one creates its own bucket."""
    if external := external_s3():
        yield external
        delete_buckets(external)
        return
    key = (secrets.token_urlsafe(16), secrets.token_urlsafe(32))
    server = EmbeddedS3(infra_folder / "s3", free_port(), infra_folder / "s3.log", lambda: key)
    try:
        server.start()
        server.wait_ready()
        yield TestedS3(server.url, server.key, is_embedded=True)
    finally:
        server.stop()
