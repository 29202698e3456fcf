"""The settings that every process of the mesh has."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from shared.kit.config.env import Secret, SettingDoc, Settings, SettingsError, document, is_secret, load

Port = Annotated[int, Meta(ge=0, le=65535)]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
SECRET_MIN_CHARS = 32


def _number(low: int, high: int, description: str) -> Meta:
    return Meta(ge=low, le=high, description=description)


class ProcessSettings(Settings, frozen=True, kw_only=True):
    """The settings of a process of the mesh; services add their own."""

    signs: ClassVar[bool] = True
    """True if such a process writes or reads signed records."""

    kafka_bootstrap_servers: Annotated[str, Meta(description="host:port, several by commas")] = (
        "127.0.0.1:9092"
    )
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], Meta(description="As Kafka names it")
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[Mechanism, Meta(description="With SASL_*")] = "PLAIN"
    kafka_sasl_username: Annotated[str, Meta(description="With SASL_*")] = ""
    kafka_sasl_password: Annotated[Secret, Meta(description="With SASL_*")] = ""
    kafka_ssl_cafile: Annotated[str, Meta(description="PEM file of the authorities; empty: the system's")] = (
        ""
    )
    kafka_ssl_certfile: Annotated[str, Meta(description="PEM file of the client's certificate")] = ""
    kafka_ssl_keyfile: Annotated[str, Meta(description="PEM file of the client's key")] = ""
    kafka_ssl_password: Annotated[Secret, Meta(description="Password of the client's key")] = ""
    mesh_secret: Annotated[
        Secret,
        Meta(description="Secret that signs records; the same for all processes, at least 32 characters"),
    ] = ""
    mesh_secret_also: Annotated[
        Secret, Meta(description="A second secret whose signatures are accepted, while MESH_SECRET changes")
    ] = ""
    kafka_partitions: Annotated[int, _number(1, 1000, "Partitions of new topics")] = 4
    kafka_replication_factor: Annotated[int, _number(1, 10, "Replicas of new topics")] = 1
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="Lowest level that is logged")
    ] = "INFO"
    health_host: Annotated[str, Meta(description="Where health and metrics are served")] = "127.0.0.1"
    health_port: Annotated[Port, Meta(description="0: any free one")] = 0
    instance_name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._-]{0,100}$",
            description="Name of this process in reply topics and logs; empty: host, a word and a free slot",
        ),
    ] = ""
    call_timeout_ms: Annotated[int, _number(1, 600_000, "How long a call waits for its answer")] = 10_000
    drain_timeout_ms: Annotated[
        int, _number(0, 60_000, "How long work in hand may take when the process stops or loses a partition")
    ] = 2_000
    in_flight_max: Annotated[int, _number(1, 1_000_000, "Requests in hand at once; more are busy")] = 4096
    lane_max: Annotated[int, _number(1, 100_000, "Requests waiting for one key; more are busy")] = 256
    batch_max: Annotated[int, _number(1, 10_000, "Records read, and requests committed, at once")] = 512

    def problems(self) -> Iterator[str]:
        """Yield the problems: SASL needs name and password, a certificate its key, a signer its secret."""
        yield from self._secret_problems()
        if self.kafka_security_protocol.startswith("SASL"):
            for name in ("kafka_sasl_username", "kafka_sasl_password"):
                if not getattr(self, name):
                    protocol = self.kafka_security_protocol
                    yield f"{name.upper()} is required with KAFKA_SECURITY_PROTOCOL={protocol}"
        if bool(self.kafka_ssl_certfile) != bool(self.kafka_ssl_keyfile):
            yield "KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE must be given together"

    def _secret_problems(self) -> Iterator[str]:
        if self.signs and not self.mesh_secret:
            yield (
                "MESH_SECRET is required: at least 32 random characters, the same for all processes of the "
                "mesh, such as `openssl rand -base64 32` gives"
            )
        for name in ("mesh_secret", "mesh_secret_also"):
            if 0 < len(getattr(self, name)) < SECRET_MIN_CHARS:
                yield f"{name.upper()} must have at least {SECRET_MIN_CHARS} characters"


class ToolSettings(ProcessSettings, frozen=True, kw_only=True):
    """The settings of a tool that reads Kafka and is no process of the mesh.

    It writes nothing of its own that others would have to trust, so it needs no secret.
    """

    signs: ClassVar[bool] = False


__all__ = [
    "ProcessSettings",
    "Secret",
    "SettingDoc",
    "Settings",
    "SettingsError",
    "ToolSettings",
    "document",
    "is_secret",
    "load",
]
