"""Clients of S3 by boto3, and what its errors mean."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from shared.contracts.errors import MESH_BUSY, ServiceError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 7
"""With the wait for a thread it is less than a call may take: who asks is told why, and when to try again."""
JOIN_TIMEOUT_S = 60
"""To make one object of many parts, or of another object, may take S3 long."""
GONE = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
_ANOTHER = frozenset({"412", "PreconditionFailed"})


class Away(ServiceError):
    """What was asked for is not there, or is no longer the same. Who expects no such thing tries again."""

    def __init__(self) -> None:
        super().__init__(MESH_BUSY, "The file storage does not have what it had.")


class S3(Struct, frozen=True, kw_only=True):
    """Where a bucket is, and how to get in; without a key as boto3 finds one."""

    endpoint_url: str
    public_url: str
    """As clients find it."""
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str
    threads: int

    def __repr__(self) -> str:
        return f"S3({self.endpoint_url}, {self.bucket})"


def client_of(s3: S3, endpoint_url: str, read_timeout_s: int = READ_TIMEOUT_S) -> Any:
    """A client whose calls have an end; who calls decides whether to try again."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id or None,
        aws_secret_access_key=s3.secret_access_key or None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if _is_own(endpoint_url) else "auto"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"total_max_attempts": 1},
            max_pool_connections=s3.threads + 1,  # and one for the question whether S3 is there
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def told() -> Iterator[None]:
    """Raises Away, and `mesh.busy` for what is the fault of S3 or of its settings."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in GONE or code in _ANOTHER:
            raise Away() from error
        log.warning("S3 refused %s: %s", error.operation_name, code)
        raise _busy() from error
    except (BotoCoreError, OSError) as error:
        raise _busy() from error


def code_of(error: ClientError) -> str:
    """S3's own name of what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _busy() -> ServiceError:
    return MESH_BUSY.exception("The file storage does not answer.")


def _is_own(endpoint_url: str) -> bool:
    """Only Amazon's own S3 gives each bucket a host name of its own for certain."""
    return "amazonaws.com" not in endpoint_url
