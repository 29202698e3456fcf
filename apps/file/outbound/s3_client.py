"""boto3 clients of S3, and the meaning of its errors."""

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
"""Together with the wait for a thread less than a call may take, so that the caller learns the reason."""
COMPLETE_TIMEOUT_S = 60
"""S3 may take long to make one object of many parts, or of another object."""
NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
_PRECONDITION_FAILED = frozenset({"412", "PreconditionFailed"})


class ObjectChanged(ServiceError):
    """The object does not exist, or its bytes have changed. Callers that do not handle it try again."""

    def __init__(self) -> None:
        super().__init__(MESH_BUSY, "The file storage does not have what it had.")


class Bucket(Struct, frozen=True, kw_only=True):
    """The address of a bucket and the key to it; without a key boto3 looks for one."""

    endpoint_url: str
    public_url: str
    """The address that clients use."""
    name: str
    region: str
    access_key_id: str
    secret_access_key: str
    threads: int

    def __repr__(self) -> str:
        return f"Bucket({self.endpoint_url}, {self.name})"


def client_of(bucket: Bucket, endpoint_url: str, read_timeout_s: int = READ_TIMEOUT_S) -> Any:
    """Return a client whose calls are bounded in time and never retried: that is up to the caller."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=bucket.region,
        aws_access_key_id=bucket.access_key_id or None,
        aws_secret_access_key=bucket.secret_access_key or None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "auto" if _is_amazon(endpoint_url) else "path"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"total_max_attempts": 1},
            max_pool_connections=bucket.threads + 1,  # one more for the health check
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def translate_error() -> Iterator[None]:
    """Raise ObjectChanged, and `mesh.busy` for the faults of S3 or of its settings."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in NOT_FOUND or code in _PRECONDITION_FAILED:
            raise ObjectChanged() from error
        log.warning("S3 refused %s: %s", error.operation_name, code)
        raise _busy() from error
    except (BotoCoreError, OSError) as error:
        raise _busy() from error


def code_of(error: ClientError) -> str:
    """Return S3's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _busy() -> ServiceError:
    return MESH_BUSY.exception("The file storage does not answer.")


def _is_amazon(endpoint_url: str) -> bool:
    """Return True for Amazon's own S3: only there each bucket has a host name for certain."""
    return "amazonaws.com" in endpoint_url
