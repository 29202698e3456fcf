"""The cache of jars: nothing runs that is not what we listed."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.config.ports import free_port
from cli.embedded import kafka_jars
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jar_list import JARS
from cli.embedded.kafka_jars import JarCache, file_name
from cli.errors import ConcordError

SMALL = "org.jspecify:jspecify:1.0.0"
WHERE = "org/jspecify/jspecify/1.0.0"


@pytest.fixture
def whole(jar_cache: JarCache) -> JarCache:
    """The real cache, complete."""
    jar_cache.ensure(print)
    return jar_cache


@pytest.fixture
def mirror(tmp_path: Path, whole: JarCache) -> Iterator[tuple[str, Path]]:
    """A Maven repository on localhost that has one jar: its URL and that jar's file."""
    folder = tmp_path / "mirror" / WHERE
    folder.mkdir(parents=True)
    jar = folder / file_name(SMALL)
    shutil.copy(whole.folder / file_name(SMALL), jar)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "mirror")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", jar
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_the_list_names_every_jar_once_with_a_whole_checksum() -> None:
    assert len(JARS) == 46
    assert all(len(checksum) == 64 for checksum in JARS.values())
    assert sum(coordinate.startswith("org.apache.kafka:") for coordinate in JARS) == 14


def test_what_is_missing_comes_from_the_mirror_and_is_fetched_once(
    tmp_path: Path, mirror: tuple[str, Path]
) -> None:
    url, jar = mirror
    said: list[str] = []
    cache = JarCache(tmp_path / "cache", {SMALL: JARS[SMALL]}, url)
    assert cache.ensure(said.append) == [tmp_path / "cache" / "kafka-4.3.1" / file_name(SMALL)]
    assert cache.bad() == []
    assert "1 of 1 jars" in said[-1]
    jar.unlink()
    assert JarCache(tmp_path / "cache", {SMALL: JARS[SMALL]}, url).ensure(said.append)
    assert len(said) == 2
    assert list((tmp_path / "cache").glob("fetch-*")) == []


def test_a_truncated_jar_from_the_network_is_refused(tmp_path: Path, mirror: tuple[str, Path]) -> None:
    url, jar = mirror
    jar.write_bytes(jar.read_bytes()[:-1])
    cache = JarCache(tmp_path / "cache", {SMALL: JARS[SMALL]}, url)
    with pytest.raises(ConcordError, match=r"jspecify.*SHA-256.*CONCORD_MAVEN_URL"):
        cache.ensure(print)
    assert cache.bad() == [SMALL]


def test_a_truncated_jar_in_the_cache_is_replaced(tmp_path: Path, mirror: tuple[str, Path]) -> None:
    cache = JarCache(tmp_path / "cache", {SMALL: JARS[SMALL]}, mirror[0])
    (path,) = cache.ensure(print)
    path.write_bytes(path.read_bytes()[:100])
    assert cache.bad() == [SMALL]
    cache.ensure(print)
    assert cache.bad() == []


def test_kafka_does_not_start_on_a_damaged_jar_that_cannot_be_replaced(
    tmp_path: Path, whole: JarCache
) -> None:
    cache = JarCache(tmp_path / "cache", repository=f"http://127.0.0.1:{free_port()}")
    shutil.copytree(whole.folder, cache.folder, ignore=shutil.ignore_patterns("*.aot"))
    damaged = cache.folder / "kafka-clients-4.3.1.jar"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), cache, tmp_path / "kafka.log")
    with pytest.raises(ConcordError, match="kafka-clients"):
        kafka.start()
    assert kafka.child is None


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConcordError, match="CONCORD_CACHE"):
        JarCache(tmp_path / "file" / "cache", {SMALL: JARS[SMALL]}).ensure(print)


def test_a_network_that_is_away_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_jars, "REQUEST_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cache = JarCache(tmp_path / "cache", repository=url)
        began = time.monotonic()
        with pytest.raises(ConcordError, match=r"could not be fetched from http://127.0.0.1:.*Timeout"):
            cache.ensure(print)
    # One jar's attempts, not those of 46 jars.
    assert time.monotonic() - began < kafka_jars.ATTEMPTS * kafka_jars.REQUEST_TIMEOUT_S + 20
    assert len(cache.bad()) == len(JARS)
