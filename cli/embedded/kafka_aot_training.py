"""Make the ahead-of-time cache by running a throw-away Kafka once. A program: CACHE JIT HEAP_MIB."""

import os
import sys
from pathlib import Path

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka, KafkaOptions
from cli.embedded.kafka_aot_cache import TrainingFolder, aot_file, install_cache
from cli.embedded.kafka_jars import JarCache
from cli.processes.child import Child
from cli.processes.identity import start_mark
from cli.processes.registry import INFRASTRUCTURE, Record, Records
from cli.processes.stop_flag import StopFlag

# The JVM writes the cache at its end, which takes a while on a busy machine.
END_TIMEOUT_S = 120.0
POLL_S = 0.1


def train(cache: Path, options: KafkaOptions, stop: StopFlag) -> bool:
    """Make the cache unless it exists; return True if it exists afterwards."""
    jars = JarCache(cache)
    wanted = aot_file(jars, options.flags())
    training = TrainingFolder(cache)
    folder = None if wanted.exists() else training.acquire()
    if folder is None:
        return wanted.exists()
    output = folder / "out.aot"
    kafka = make_kafka(folder, jars, options)
    kafka.train_into = output
    try:
        if run_once(kafka, stop) and output.exists():
            install_cache(output, wanted)
    finally:
        if kafka.child is not None:
            kafka.child.kill()
        training.release(folder)
    return wanted.exists()


def make_kafka(folder: Path, jars: JarCache, options: KafkaOptions) -> EmbeddedKafka:
    """Return a throw-away broker, recorded so that the next trainer finds it if this one is killed."""

    def record(child: Child) -> None:
        started = start_mark(child.pid) or ""
        Records(folder).write(Record(child.name, INFRASTRUCTURE, child.pid, started, kafka.command_words))

    kafka = EmbeddedKafka(folder / "kafka", free_port(), jars, folder / "kafka.log", options, record)
    return kafka


def run_once(kafka: EmbeddedKafka, stop: StopFlag) -> bool:
    """Start the broker, stop it, wait until the JVM has written; return False if a signal came first."""
    kafka.start()
    child = kafka.child
    while child is not None and child.running() and not kafka.ready():
        if stop.wait(POLL_S):
            return False
    if child is not None:
        child.ask_to_stop()
    waited_s = 0.0
    while child is not None and child.running() and waited_s < END_TIMEOUT_S:
        if stop.wait(POLL_S):
            return False
        waited_s += POLL_S
    return True


if __name__ == "__main__":
    os.nice(15)
    wanted_options = KafkaOptions(sys.argv[2], int(sys.argv[3]))
    sys.exit(0 if train(Path(sys.argv[1]), wanted_options, StopFlag()) else 1)
