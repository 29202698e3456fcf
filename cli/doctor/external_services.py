"""Whether the outside services that the environment names can be reached."""

import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from cli.config.environment import (
    KAFKA_VARIABLE,
    S3_VARIABLE,
    SECRET_VARIABLE,
    check_secret,
    database_variable,
)
from cli.config.secrets import DATABASES
from cli.doctor.result import CheckResult
from cli.embedded.kafka_probe import serves
from cli.errors import ConcordError

TIMEOUT_S = 3.0


def external_checks(environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """A finding for each outside service that is named."""
    plain = environ.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT") == "PLAINTEXT"
    for server in filter(None, environ.get(KAFKA_VARIABLE, "").split(",")):
        yield kafka(server.strip(), plain)
    try:
        check_secret(environ)
    except ConcordError as error:
        yield CheckResult(SECRET_VARIABLE, str(error), wrong=True)
    for name in DATABASES:
        variable = database_variable(name)
        if url := environ.get(variable):
            yield database(variable, url)
    if url := environ.get(S3_VARIABLE):
        yield s3(url)


def s3(url: str) -> CheckResult:
    """The host and port of an S3 address; whether its key is good shows when the file service starts."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        return CheckResult(S3_VARIABLE, "must be like https://s3.example.org", wrong=True)
    fine = answers(host, port)
    return CheckResult(S3_VARIABLE, f"{host}:{port} {'answers' if fine else 'does not answer'}", not fine)


def kafka(server: str, plain: bool) -> CheckResult:
    """One bootstrap server; where encryption or a password is asked for, only its port is tried."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit():
        return CheckResult(KAFKA_VARIABLE, f"{server!r} is no host:port", wrong=True)
    fine = serves(host, int(port), TIMEOUT_S) if plain else answers(host, int(port))
    return CheckResult(
        KAFKA_VARIABLE, f"{server} {'answers' if fine else 'does not answer as Kafka'}", not fine
    )


def database(variable: str, url: str) -> CheckResult:
    """The host and port of a database URL; the password stays unsaid."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or 5432
    except ValueError:
        return CheckResult(variable, "is no URL", wrong=True)
    if not parts.scheme.startswith("postgres"):
        return CheckResult(variable, f"must begin with postgresql://, not {parts.scheme}://", wrong=True)
    fine = answers(host, port)
    return CheckResult(variable, f"{host}:{port} {'answers' if fine else 'does not answer'}", not fine)


def answers(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except OSError:
        return False
    return True
