"""Checks of the external services that the environment names."""

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
    """Yield a result for each external service that is named."""
    is_plain = environ.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT") == "PLAINTEXT"
    for server in filter(None, environ.get(KAFKA_VARIABLE, "").split(",")):
        yield kafka(server.strip(), is_plain)
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
    """Check host and port of an S3 address; the key is tried when the file service starts."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        return CheckResult(S3_VARIABLE, "must be like https://s3.example.org", wrong=True)
    is_up = answers(host, port)
    return CheckResult(S3_VARIABLE, f"{host}:{port} {'answers' if is_up else 'does not answer'}", not is_up)


def kafka(server: str, is_plain: bool) -> CheckResult:
    """Check a bootstrap server; with encryption or a password only its port."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit():
        return CheckResult(KAFKA_VARIABLE, f"{server!r} is no host:port", wrong=True)
    is_up = serves(host, int(port), TIMEOUT_S) if is_plain else answers(host, int(port))
    return CheckResult(
        KAFKA_VARIABLE, f"{server} {'answers' if is_up else 'does not answer as Kafka'}", not is_up
    )


def database(variable: str, url: str) -> CheckResult:
    """Check host and port of a database URL, without showing its password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or 5432
    except ValueError:
        return CheckResult(variable, "is no URL", wrong=True)
    if not parts.scheme.startswith("postgres"):
        return CheckResult(variable, f"must begin with postgresql://, not {parts.scheme}://", wrong=True)
    is_up = answers(host, port)
    return CheckResult(variable, f"{host}:{port} {'answers' if is_up else 'does not answer'}", not is_up)


def answers(host: str, port: int) -> bool:
    """Return True if something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except OSError:
        return False
    return True
