"""The S3 of the tests: the one that the environment names, or an embedded one.

`CONCORD_TEST_S3_URL` names one, `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` a key that may make buckets
there. A run deletes the buckets that it made.
"""

import os
import secrets
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from apps.file.outbound.s3_client import NOT_FOUND, Bucket, client_of, code_of
from cli.embedded.s3 import EmbeddedS3

URL, KEY_ID, SECRET = "CONCORD_TEST_S3_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
RUN = f"t-{secrets.token_hex(4)}-"
"""The prefix of the buckets of this process."""


class TestedS3(Struct, frozen=True):
    """The URL of an S3, and the id and secret of a key to it."""

    __test__ = False

    url: str
    key: tuple[str, str]
    is_embedded: bool


def external_s3(environ: Mapping[str, str] = os.environ) -> TestedS3 | None:
    """Return the S3 that the environment names; None without one."""
    url = environ.get(URL)
    return TestedS3(url.rstrip("/"), (environ[KEY_ID], environ[SECRET]), is_embedded=False) if url else None


def new_bucket() -> str:
    """Return the name of a new bucket."""
    return RUN + secrets.token_hex(6)


def s3_at(server: TestedS3 | EmbeddedS3, bucket: str, url: str = "") -> Bucket:
    """Return a bucket of this S3; `url` replaces its address."""
    key_id, secret = server.key
    return Bucket(
        endpoint_url=url or server.url,
        public_url=url or server.url,
        name=bucket,
        region="us-east-1",
        access_key_id=key_id,
        secret_access_key=secret,
        threads=4,
    )


def s3_settings(server: TestedS3 | EmbeddedS3) -> dict[str, str]:
    """Return the environment of a file service that uses a new bucket of this S3."""
    key_id, secret = server.key
    return {
        "S3_ENDPOINT_URL": server.url,
        "S3_BUCKET": new_bucket(),
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def delete_buckets(server: TestedS3) -> None:
    """Delete the buckets that this process made."""
    client = client_of(s3_at(server, ""), server.url)
    for found in client.list_buckets()["Buckets"]:
        if found["Name"].startswith(RUN):
            _delete_bucket(client, found["Name"])


def _delete_bucket(client: Any, bucket: str) -> None:
    for begun in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
        try:
            client.abort_multipart_upload(Bucket=bucket, Key=begun["Key"], UploadId=begun["UploadId"])
        except ClientError as error:
            if code_of(error) not in NOT_FOUND:
                raise
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=found["Key"])
    client.delete_bucket(Bucket=bucket)
