"""One Concord for all end-to-end tests of a session."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from cli.config.ports import free_port
from cli.embedded.databases import ensure_database
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from tests.e2e.concord import Concord
from tests.e2e.files import Bucket, Room
from tests.e2e.people import Person, sign_up
from tests.support.s3 import TestedS3, s3_settings

SERVICES = ("auth", "server", "message", "file")


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory, jar_cache: JarCache) -> Iterator[str]:
    """Run a broker for these tests alone: their services would consume the requests of other tests."""
    folder = tmp_path_factory.mktemp("e2e-kafka")
    kafka = EmbeddedKafka(folder / "kafka", free_port(), jar_cache, folder / "kafka.log")
    try:
        kafka.start(print)
        kafka.wait_ready()
        yield kafka.bootstrap
    finally:
        kafka.stop()


@pytest.fixture(scope="session")
def concord(
    tmp_path_factory: pytest.TempPathFactory,
    kafka_bootstrap: str,
    postgres_admin_url: str,
    s3: TestedS3,
) -> Iterator[Concord]:
    """Run one ready process of gateway, auth, server, message and file each."""
    folder = tmp_path_factory.mktemp("concord")
    databases = make_databases(postgres_admin_url, "e2e")
    running = Concord(folder, kafka_bootstrap, databases, **s3_settings(s3))
    running.prepare()
    try:
        running.start_all()
        yield running
    finally:
        running.stop()


def make_databases(admin_url: str, prefix: str) -> dict[str, str]:
    """Create an empty database for each service; return their URLs."""
    address = admin_url.rpartition("@")[2].partition("/")[0]
    urls = {}
    for service in SERVICES:
        name = f"{prefix}_{service}"
        ensure_database(admin_url, name, "secret")
        urls[service] = f"postgresql://{name}:secret@{address}/{name}"
    return urls


@pytest.fixture(scope="session")
def gateway_url(concord: Concord) -> str:
    """Return the URL of the gateway."""
    return concord.processes[0].url


@pytest.fixture
def http(gateway_url: str) -> Iterator[httpx.Client]:
    """Yield a client of the gateway without a token."""
    with httpx.Client(base_url=gateway_url, timeout=15) as client:
        yield client


@pytest.fixture
def person(http: httpx.Client) -> Callable[..., Person]:
    """Return a function that signs up a person."""

    def make(name: str = "Ada") -> Person:
        return sign_up(http, name)

    return make


@pytest.fixture
def room(person: Callable[..., Person]) -> Room:
    """Return a channel with two members, and a third person who is not a member."""
    return Room(person)


@pytest.fixture
def bucket(concord: Concord) -> Bucket:
    """Return the bucket of the files."""
    return Bucket(concord.environ)
