"""The embedded Kafka: starts, ends, survives."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from cli.config.ports import LOOPBACK, free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_files import escaped
from cli.embedded.kafka_jars import JarCache
from cli.embedded.kafka_probe import serves
from cli.errors import ConcordError
from tests.cli.running import processes_of

COUNT = 5000


@pytest.fixture
def kafka(tmp_path: Path, jar_cache: JarCache) -> Iterator[EmbeddedKafka]:
    """A broker that is not started yet, in a path that needs care."""
    folder = tmp_path / "a b é" / "kafka"
    broker = EmbeddedKafka(folder, free_port(), jar_cache, tmp_path / "kafka.log")
    yield broker
    broker.stop(timeout_s=3)


async def write(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        sent = [await producer.send("kept", b"%d" % number) for number in range(COUNT)]
        await asyncio.gather(*sent)


async def count(bootstrap: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    ends = await consumer.end_offsets([TopicPartition("kept", 0)])
    await consumer.stop()
    end: int = next(iter(ends.values()))
    return end


def start(kafka: EmbeddedKafka) -> None:
    kafka.start()
    kafka.wait_ready()


def test_data_outlive_a_stop_and_a_kill(kafka: EmbeddedKafka) -> None:
    start(kafka)
    asyncio.run(write(kafka.bootstrap))
    kafka.stop()
    assert kafka.child is not None
    assert kafka.child.exit_code() == 143  # its own word for "ended by SIGTERM, in order"
    start(kafka)
    assert asyncio.run(count(kafka.bootstrap)) == COUNT
    kafka.child.kill()
    start(kafka)
    assert asyncio.run(count(kafka.bootstrap)) == COUNT
    kafka.stop()
    assert not serves(LOOPBACK, kafka.port)
    assert processes_of(kafka.folder) == []


def test_it_listens_on_localhost_only(kafka: EmbeddedKafka) -> None:
    start(kafka)
    assert kafka.child is not None
    addresses = listening(kafka.child.pid)
    assert len(addresses) >= 2  # clients and the controller
    assert all(address.startswith("127.") for address in addresses)


def listening(pid: int) -> list[str]:
    """The addresses that a process listens on, IPv4 and IPv4 in IPv6."""
    inodes = {
        link.readlink().name.removeprefix("socket:[").rstrip("]")
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and str(link.readlink()).startswith("socket:")
    }
    found = []
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[9] in inodes:
                last = fields[1].partition(":")[0][-8:]
                found.append(socket.inet_ntoa(int(last, 16).to_bytes(4, "little")))
    return found


def test_a_broker_that_dies_at_its_start_is_a_sentence_with_its_log(kafka: EmbeddedKafka) -> None:
    with socket.create_server((LOOPBACK, kafka.port)):
        kafka.start()
        with pytest.raises(ConcordError, match=r"Kafka did not start[\s\S]+(bind|in use)"):
            kafka.wait_ready(timeout_s=30)


def test_a_folder_that_was_formatted_halfway_is_formatted_again(kafka: EmbeddedKafka) -> None:
    (kafka.folder / "log").mkdir(parents=True)
    (kafka.folder / "log" / "bootstrap.checkpoint").write_bytes(b"half")
    start(kafka)
    assert kafka.ready()


def test_paths_are_written_so_that_java_reads_them() -> None:
    assert escaped("/a b/é\\x") == "/a b/\\u00e9\\\\x"
    with pytest.raises(ConcordError, match="comma"):
        escaped("/a,b")
