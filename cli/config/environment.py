"""The environment of a service process: the user's settings, and the embedded infrastructure for the rest."""

from collections.abc import Iterable, Mapping

from cli.config.data_folder import DataFolder
from cli.config.ports import LOOPBACK
from cli.config.secrets import DATABASES, MESH, S3_KEY, load_secrets
from cli.errors import ConcordError

KAFKA_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
S3_VARIABLE = "S3_ENDPOINT_URL"
SECRET_VARIABLE = "MESH_SECRET"  # noqa: S105 - the name of a variable


def database_variable(service: str) -> str:
    """Return the variable with the URL of a service's database."""
    return f"{service.upper()}_DATABASE_URL"


def needs_kafka(environ: Mapping[str, str]) -> bool:
    """Return True if no external Kafka is named."""
    return not environ.get(KAFKA_VARIABLE)


def needs_postgres(environ: Mapping[str, str], services: Iterable[str] = DATABASES) -> bool:
    """Return True if one of these services has no external database named."""
    return any(not environ.get(database_variable(name)) for name in services)


def needs_s3(environ: Mapping[str, str]) -> bool:
    """Return True if no external S3 is named."""
    return not environ.get(S3_VARIABLE)


def check_secret(environ: Mapping[str, str]) -> None:
    """Raise ConcordError if an external Kafka is named, but not the secret that signs its records."""
    if not needs_kafka(environ) and not environ.get(SECRET_VARIABLE):
        raise ConcordError(
            f"{KAFKA_VARIABLE} names an external Kafka, so {SECRET_VARIABLE} is needed too: at least 32 "
            "random characters, the same for all processes that share it (`openssl rand -base64 32`)."
        )


def complete(
    environ: Mapping[str, str], data: DataFolder, kafka_port: int, postgres_port: int, s3_port: int
) -> dict[str, str]:
    """Return the environment, with the embedded infrastructure where no external one is named."""
    if not needs_kafka(environ) and not needs_postgres(environ) and not needs_s3(environ):
        return {**environ, "CONCORD_DATA": str(data.root)}
    secrets = load_secrets(data.root)
    defaults = {KAFKA_VARIABLE: f"{LOOPBACK}:{kafka_port}"}
    if needs_kafka(environ):  # an external Kafka is shared with processes that do not know our secret
        defaults[SECRET_VARIABLE] = secrets[MESH]
    for name in DATABASES:
        url = f"postgresql://{name}:{secrets[name]}@{LOOPBACK}:{postgres_port}/{name}"
        defaults[database_variable(name)] = url
    if needs_s3(environ):  # an external S3 has its own key, and the embedded one ours
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
    """Complete the environment with the ports of the servers that run in the data folder.

    `with_s3=False` leaves S3 out for the file service too: preparing its database needs none.
    Raise ConcordError if a server that these services need is neither named nor running.
    """
    ports = {name: record.port for name in ("kafka", "postgres", "s3") if (record := data.records.find(name))}
    if needs_kafka(environ) and "kafka" not in ports:
        raise ConcordError(nothing_runs("Kafka", KAFKA_VARIABLE, data))
    missing = [name for name in services if not environ.get(database_variable(name))]
    if missing and "postgres" not in ports:
        raise ConcordError(nothing_runs("Postgres", database_variable(missing[0]), data))
    is_s3_missing = with_s3 and "file" in services and needs_s3(environ)
    if is_s3_missing and "s3" not in ports:
        raise ConcordError(nothing_runs("S3", S3_VARIABLE, data))
    if not missing and not needs_kafka(environ) and not is_s3_missing:
        return dict(environ)
    return complete(environ, data, *(ports.get(name, 0) for name in ("kafka", "postgres", "s3")))


def nothing_runs(server: str, variable: str, data: DataFolder) -> str:
    """Return the sentence about a server that is neither named nor running."""
    return (
        f"No {server} is named by {variable}, and none runs in the data folder {data.root}: "
        "start `concord infra up` first, or set the variable."
    )
