"""The files that an embedded Kafka node reads: its properties and its logging."""

from collections.abc import Mapping
from pathlib import Path

from cli.config.ports import LOOPBACK
from cli.errors import ConcordError

# Light enough for a laptop, with the durability of the defaults.
FIXED_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
# After a kill -9 the new process waits for the session of the old one to run out.
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=100
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
default.replication.factor=1
min.insync.replicas=1
num.network.threads=2
num.io.threads=2
background.threads=2
remote.log.manager.thread.pool.size=1
log.cleaner.dedupe.buffer.size=4194304
"""

LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.started.name = kafka.server.KafkaRaftServer
logger.started.level = info
# These two warn about each setting that they do not know, and each socket that hangs up.
logger.selector.name = org.apache.kafka.common.network.Selector
logger.selector.level = error
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = error
"""


def write_files(folder: Path, port: int, controller_port: int, extra: Mapping[str, str]) -> None:
    """Write `server.properties` and `log4j2.properties` below `folder`; extra listeners join its own."""
    plaintext = f"PLAINTEXT://{LOOPBACK}:{port}"
    own = {
        "listeners": f"{plaintext},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": plaintext,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "log.dirs": escaped(str(folder / "log")),
    }
    for name, value in extra.items():
        own[name] = f"{own[name]},{value}" if name in own else value
    lines = "".join(f"{name}={value}\n" for name, value in own.items())
    (folder / "server.properties").write_text(FIXED_PROPERTIES + lines, encoding="ascii")
    (folder / "log4j2.properties").write_text(LOGGING, encoding="ascii")


def escaped(text: str) -> str:
    """Return text for a Java properties file; raise ConcordError for a comma, which splits `log.dirs`."""
    if "," in text:
        raise ConcordError(
            f"Kafka takes no folder with a comma in its path: set CONCORD_DATA to another than {text}."
        )
    backslashed = text.replace("\\", "\\\\")
    units = backslashed.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)
