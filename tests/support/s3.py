"""The S3 that tests run against: an external one if the environment names it, or an embedded one.

`CONCORD_TEST_S3_URL` is its URL; `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` may create buckets there.
A run deletes the buckets that it created.
"""

import os
import secrets
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from apps.file.outbound.s3_client import GONE, S3, client_of, code_of
from cli.embedded.s3 import EmbeddedS3

URL, KEY_ID, SECRET = "CONCORD_TEST_S3_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
RUN = f"t-{secrets.token_hex(4)}-"
"""The prefix of all buckets of this process."""


class TestedS3(Struct, frozen=True):
    """The URL of an S3, and the id and the secret of a key for it."""

    __test__ = False

    url: str
    key: tuple[str, str]
    is_embedded: bool


def external_s3(environ: Mapping[str, str] = os.environ) -> TestedS3 | None:
    """Return the S3 that the environment names, or None."""
    url = environ.get(URL)
    return TestedS3(url.rstrip("/"), (environ[KEY_ID], environ[SECRET]), is_embedded=False) if url else None


def new_bucket() -> str:
    """Return a new name for a bucket."""
    return RUN + secrets.token_hex(6)


def s3_at(server: TestedS3 | EmbeddedS3, bucket: str, url: str = "") -> S3:
    """Return the settings of a bucket on this server, or on `url` with the same key."""
    key_id, secret = server.key
    return S3(
        endpoint_url=url or server.url,
        public_url=url or server.url,
        bucket=bucket,
        region="us-east-1",
        access_key_id=key_id,
        secret_access_key=secret,
        threads=4,
    )


def s3_settings(server: TestedS3 | EmbeddedS3) -> dict[str, str]:
    """Return the environment of a file service that uses this S3 with a new bucket."""
    key_id, secret = server.key
    return {
        "S3_ENDPOINT_URL": server.url,
        "S3_BUCKET": new_bucket(),
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def delete_buckets(server: TestedS3) -> None:
    """Delete all buckets that this process created."""
    client = client_of(s3_at(server, ""), server.url)
    for bucket in client.list_buckets()["Buckets"]:
        if bucket["Name"].startswith(RUN):
            _delete_bucket(client, bucket["Name"])


def _delete_bucket(client: Any, bucket: str) -> None:
    for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
        try:
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for stored in page.get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=stored["Key"])
    client.delete_bucket(Bucket=bucket)
