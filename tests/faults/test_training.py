"""The trainer of the ahead-of-time cache: finished, stopped and killed."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_aot_cache import TrainingFolder, aot_file, train_command
from cli.embedded.kafka_jars import JarCache
from tests.cli.running import ROOT, processes_of
from tests.support.polling import eventually


@pytest.fixture
def own_cache(tmp_path: Path, jar_cache: JarCache) -> JarCache:
    """Return a cache of the test's own, with the real jars."""
    jar_cache.ensure(print)
    cache = JarCache(tmp_path / "cache")
    cache.folder.mkdir(parents=True)
    for jar in jar_cache.paths():
        (cache.folder / jar.name).symlink_to(jar)
    return cache


@pytest.fixture
def trainer(own_cache: JarCache) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a trainer that has started its Kafka."""
    process = subprocess.Popen(train_command(own_cache.cache, "c1", 256), cwd=ROOT)
    eventually(lambda: any(own_cache.cache.glob("train-*/kafka.json")), 60)
    yield process
    process.terminate()
    process.wait(10)


def test_a_trainer_that_is_stopped_leaves_nothing(
    own_cache: JarCache, trainer: subprocess.Popen[bytes]
) -> None:
    trainer.send_signal(signal.SIGTERM)
    trainer.wait(10)
    assert list(own_cache.cache.glob("train-*/")) == []
    assert list(own_cache.folder.glob("*.aot")) == []
    assert processes_of(own_cache.cache) == []


def test_the_next_trainer_ends_what_a_killed_one_left(
    own_cache: JarCache, trainer: subprocess.Popen[bytes]
) -> None:
    trainer.kill()
    trainer.wait()
    assert processes_of(own_cache.cache) != []
    training = TrainingFolder(own_cache.cache)
    folder = training.acquire()
    assert folder is not None
    assert processes_of(own_cache.cache) == []
    training.release(folder)


@pytest.mark.timeout(300)
def test_a_trained_cache_is_used(
    own_cache: JarCache, trainer: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert trainer.wait(280) == 0
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), own_cache, tmp_path / "kafka.log")
    try:
        kafka.start()
        kafka.wait_ready()
        assert kafka.child is not None
        file = aot_file(own_cache, kafka.options.flags())
        assert f"-XX:AOTCache={file}" in kafka.child.command
        assert str(file) in Path(f"/proc/{kafka.child.pid}/maps").read_text()
    finally:
        kafka.stop()
