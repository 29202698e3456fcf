"""The embedded servers that an environment needs, started side by side."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from cli.config.data_folder import DataFolder
from cli.config.environment import needs_kafka, needs_postgres, needs_s3
from cli.config.ports import LOOPBACK, is_taken
from cli.config.secrets import DATABASES, S3_KEY, load_secrets
from cli.config.settings import CommandSettings
from cli.embedded.databases import ensure_databases
from cli.embedded.kafka import EmbeddedKafka, KafkaOptions
from cli.embedded.kafka_aot_cache import aot_file, train_command
from cli.embedded.kafka_jars import JarCache, Say
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.s3 import EmbeddedS3
from cli.errors import ConcordError
from cli.processes.child import Child
from cli.processes.identity import start_mark
from cli.processes.registry import INFRASTRUCTURE, Record

Embedded = EmbeddedKafka | EmbeddedPostgres | EmbeddedS3


class EmbeddedInfrastructure:
    """Kafka, Postgres and S3 of one data folder, each only if the environment names no external one."""

    def __init__(
        self,
        environ: Mapping[str, str],
        settings: CommandSettings,
        data: DataFolder,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings = settings
        self._data = data
        self._may_start = may_start
        self.kafka = self._make_kafka() if needs_kafka(environ) else None
        self.postgres = self._make_postgres() if needs_postgres(environ) else None
        self.s3 = self._make_s3() if needs_s3(environ) else None

    def ports(self) -> dict[str, int]:
        """Return the port of each embedded server, by the name of its setting."""
        wanted = {}
        if self.kafka:
            wanted["CONCORD_KAFKA_PORT"] = self.kafka.port
        if self.postgres:
            wanted["CONCORD_POSTGRES_PORT"] = self.postgres.port
        if self.s3:
            wanted["CONCORD_S3_PORT"] = self.s3.port
        return wanted

    def all(self) -> list[Embedded]:
        """Return the embedded servers."""
        return [server for server in (self.kafka, self.postgres, self.s3) if server is not None]

    def start(self, say: Say) -> None:
        """Start all servers and wait until each is ready; raise the first ConcordError."""
        with ThreadPoolExecutor(max_workers=3) as pool:
            for started in [pool.submit(self._start_one, server, say) for server in self.all()]:
                started.result()

    def trainer(self) -> Child | None:
        """Return a process, not started yet, that makes the AOT cache; None if it is not needed."""
        if self.kafka is None or not self._settings.kafka_aot:
            return None
        jars, options = self.kafka.jars, self.kafka.options
        if aot_file(jars, options.flags()).exists():
            return None
        command = train_command(jars.cache, options.jit, options.heap_mib)
        return Child("kafka-trainer", command, self._data.log("kafka-trainer"), on_start=self._record_trainer)

    def _record_trainer(self, child: Child) -> None:
        started = start_mark(child.pid) or ""
        words = ("cli.embedded.kafka_aot_training",)
        self._data.records.write(Record(child.name, INFRASTRUCTURE, child.pid, started, words))

    def _start_one(self, server: Embedded, say: Say) -> None:
        server.start(say)
        server.wait_ready()
        if isinstance(server, EmbeddedPostgres):
            self._ensure_databases(server.admin_url)

    def _ensure_databases(self, admin_url: str) -> None:
        secrets = load_secrets(self._data.root)
        ensure_databases(admin_url, {name: secrets[name] for name in DATABASES})

    def _make_kafka(self) -> EmbeddedKafka:
        options = KafkaOptions(self._settings.kafka_jit, self._settings.kafka_heap_mib)
        jars = JarCache(self._settings.cache_path, repository=self._settings.maven_url)
        folder, log = self._data.root / "kafka", self._data.log("kafka")
        return EmbeddedKafka(folder, self._settings.kafka_port, jars, log, options, self._record)

    def _make_postgres(self) -> EmbeddedPostgres:
        folder, log = self._data.root / "postgres", self._data.log("postgres")
        return EmbeddedPostgres(folder, self._settings.postgres_port, log, on_start=self._record)

    def _make_s3(self) -> EmbeddedS3:
        folder, log = self._data.root / "s3", self._data.log("s3")
        return EmbeddedS3(folder, self._settings.s3_port, log, self._s3_key, on_start=self._record)

    def _s3_key(self) -> tuple[str, str]:
        secrets = load_secrets(self._data.root)
        return secrets[S3_KEY[0]], secrets[S3_KEY[1]]

    def _record(self, child: Child) -> None:
        server = next(server for server in self.all() if server.name == child.name)
        self._data.records.write(
            Record(
                name=child.name,
                kind=INFRASTRUCTURE,
                pid=child.pid,
                started=start_mark(child.pid) or "",
                command_words=server.command_words,
                port=server.port,
                stop_signal=int(child.stop_signal),
            )
        )
        if not self._may_start():  # a stop came while the process was being started
            child.kill()


def check_ports(embedded: Mapping[str, int], public: dict[str, tuple[str, int]]) -> None:
    """Raise ConcordError for the first port that is taken or set twice; both mappings are by setting."""
    seen: dict[int, str] = {}
    wanted = {setting: (LOOPBACK, port) for setting, port in embedded.items()} | public
    for setting, (host, port) in wanted.items():
        if port in seen:
            raise ConcordError(f"{seen[port]} and {setting} are both {port}: set one of them to another.")
        if is_taken(port, host):
            raise ConcordError(
                f"Port {port} ({setting}) is taken by another program: "
                f"stop it, or set {setting} to a free port."
            )
        seen[port] = setting
