"""The environment of a service process: what the user named, and the embedded parts for the rest."""

from collections.abc import Iterable, Mapping

from cli.config.data_folder import DataFolder
from cli.config.ports import LOOPBACK
from cli.config.secrets import DATABASES, MESH, S3_KEY, load_secrets
from cli.errors import ConcordError

KAFKA_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
S3_VARIABLE = "S3_ENDPOINT_URL"
SECRET_VARIABLE = "MESH_SECRET"  # noqa: S105 - the name of a variable


def database_variable(service: str) -> str:
    """The variable with the URL of a service's database."""
    return f"{service.upper()}_DATABASE_URL"


def needs_kafka(environ: Mapping[str, str]) -> bool:
    """Whether no outside Kafka is named."""
    return not environ.get(KAFKA_VARIABLE)


def needs_postgres(environ: Mapping[str, str], services: Iterable[str] = DATABASES) -> bool:
    """Whether one of these services has no outside database named."""
    return any(not environ.get(database_variable(name)) for name in services)


def needs_s3(environ: Mapping[str, str]) -> bool:
    """Whether no outside S3 is named."""
    return not environ.get(S3_VARIABLE)


def check_secret(environ: Mapping[str, str]) -> None:
    """Raises ConcordError when an outside Kafka is named, but not what records there are signed with."""
    if not needs_kafka(environ) and not environ.get(SECRET_VARIABLE):
        raise ConcordError(
            f"{KAFKA_VARIABLE} names an outside Kafka, so {SECRET_VARIABLE} is needed too: at least 32 "
            "random characters, the same for all processes that share it (`openssl rand -base64 32`)."
        )


def complete(
    environ: Mapping[str, str], data: DataFolder, kafka_port: int, postgres_port: int, s3_port: int
) -> dict[str, str]:
    """The environment with the embedded parts filled in where nothing else is named."""
    if not needs_kafka(environ) and not needs_postgres(environ) and not needs_s3(environ):
        return {**environ, "CONCORD_DATA": str(data.root)}
    secrets = load_secrets(data.root)
    defaults = {KAFKA_VARIABLE: f"{LOOPBACK}:{kafka_port}"}
    if needs_kafka(environ):  # an outside Kafka is shared with processes that do not know our secret
        defaults[SECRET_VARIABLE] = secrets[MESH]
    for name in DATABASES:
        url = f"postgresql://{name}:{secrets[name]}@{LOOPBACK}:{postgres_port}/{name}"
        defaults[database_variable(name)] = url
    if needs_s3(environ):  # the key of an outside one is no key of ours, and the other way round
        key = {"AWS_ACCESS_KEY_ID": secrets[S3_KEY[0]], "AWS_SECRET_ACCESS_KEY": secrets[S3_KEY[1]]}
        environ = {**environ, S3_VARIABLE: f"http://{LOOPBACK}:{s3_port}", **key}
    named = {name: value for name, value in environ.items() if value or name not in defaults}
    return {**defaults, **named, "CONCORD_DATA": str(data.root)}


def complete_from_records(
    environ: Mapping[str, str],
    data: DataFolder,
    services: Iterable[str] = DATABASES,
    *,
    with_s3: bool = True,
) -> dict[str, str]:
    """The same, with the ports of what runs in the data folder, as far as these services need them.

    Without S3 also where the file service is among them: to prepare its database needs none.
    Raises ConcordError when something needed is neither named nor running.
    """
    ports = {name: record.port for name in ("kafka", "postgres", "s3") if (record := data.records.find(name))}
    if needs_kafka(environ) and "kafka" not in ports:
        raise ConcordError(nothing_runs("Kafka", KAFKA_VARIABLE, data))
    lacking = [name for name in services if not environ.get(database_variable(name))]
    if lacking and "postgres" not in ports:
        raise ConcordError(nothing_runs("Postgres", database_variable(lacking[0]), data))
    s3_lacks = with_s3 and "file" in services and needs_s3(environ)
    if s3_lacks and "s3" not in ports:
        raise ConcordError(nothing_runs("S3", S3_VARIABLE, data))
    if not lacking and not needs_kafka(environ) and not s3_lacks:
        return dict(environ)
    return complete(environ, data, *(ports.get(name, 0) for name in ("kafka", "postgres", "s3")))


def nothing_runs(part: str, variable: str, data: DataFolder) -> str:
    """The sentence for a part that is neither named nor running."""
    return (
        f"No {part} is named by {variable}, and none runs in the data folder {data.root}: "
        "start `concord infra up` first, or set the variable."
    )
