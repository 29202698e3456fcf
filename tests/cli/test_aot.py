"""The ahead-of-time cache of Kafka's classes."""

import os
from pathlib import Path

from cli.embedded.kafka import KafkaOptions
from cli.embedded.kafka_aot_cache import KEEP, TrainingFolder, aot_file, cache_flags, install_cache
from cli.embedded.kafka_jars import JarCache


def test_other_flags_have_another_cache(jar_cache: JarCache) -> None:
    files = {
        aot_file(jar_cache, KafkaOptions(jit, heap).flags()) for jit in ("c1", "full") for heap in (256, 512)
    }
    assert len(files) == 4


def test_without_a_cache_no_flag_names_one(tmp_path: Path) -> None:
    assert cache_flags(tmp_path / "none.aot") == []


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for number in range(KEEP + 2):
        (tmp_path / "out").write_text(str(number))
        install_cache(tmp_path / "out", tmp_path / f"classes-{number}.aot")
        os.utime(tmp_path / f"classes-{number}.aot", (number, number))
    assert {file.name for file in tmp_path.glob("*.aot")} == {f"classes-{n}.aot" for n in range(2, KEEP + 2)}


def test_one_trains_at_a_time_and_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "train-left").mkdir()
    one, two = TrainingFolder(tmp_path), TrainingFolder(tmp_path)
    folder = one.acquire()
    assert folder is not None
    assert two.acquire() is None
    assert [path.name for path in tmp_path.glob("train-*") if path.is_dir()] == [folder.name]
    one.release(folder)
    assert TrainingFolder(tmp_path).acquire() is not None
