"""Protect upload URLs against being used for copies, where S3 does not do so itself.

Signature version 4 requires that every `x-amz-…` header is signed. An S3 that does not enforce this takes a
PUT to such a URL with an added `x-amz-copy-source` for a copy, made with the rights of the signer: anyone who
may upload could read every object whose key they know. The embedded S3 does so, and SeaweedFS did before 4.21
(ADR 17).
"""

import logging
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from apps.file.domain.keys import upload_key
from apps.file.outbound.s3_client import NOT_FOUND, code_of
from shared.contracts.errors import MESH_BUSY
from shared.kit.clock import SystemIds

log = logging.getLogger(__name__)

_NEVER = {"x-amz-copy-source-if-match": '"never"'}
"""No source of a copy has this ETag, and a PUT of bytes ignores the condition."""
_URL_TTL_S = 60
_SOURCE, _SENT = b"source", b"sent"


class CopyGuard:
    """The headers that upload URLs are signed with: none, where S3 rejects unsigned headers.

    An S3 that needs none gets none: it might reject the condition of a copy on a request that is not one.
    """

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self._tested = False

    def watch(self, client: Any) -> None:
        """Sign the headers with each PUT of this client."""
        client.meta.events.register("before-sign.s3.PutObject", self._add)

    def test(self, client: Any, bucket: str) -> None:
        """Find out, once, which headers are needed. Raises `mesh.busy` where none help: it is not safe."""
        if self._tested:
            return
        if _copies(client, bucket, self.headers):
            self.headers = dict(_NEVER)
            if _copies(client, bucket, self.headers):
                log.error(
                    "anyone who may upload to this S3 can copy, and so read, all objects in it: use another"
                )
                raise MESH_BUSY.exception("The file storage is not safe.")
            log.warning("this S3 accepts unsigned headers: upload URLs are guarded; upgrade it")
        self._tested = True

    def _add(self, request: Any, **_: object) -> None:
        for name, value in self.headers.items():
            request.headers[name] = value


def _copies(client: Any, bucket: str, guard: dict[str, str]) -> bool:
    """Return True if an upload URL, signed with these headers, can be used for a copy."""
    key = upload_key(SystemIds().new())
    source, target = f"{key}-source", f"{key}-target"
    try:
        client.put_object(Bucket=bucket, Key=source, Body=_SOURCE)
        params = {"Bucket": bucket, "Key": target}
        url = client.generate_presigned_url("put_object", Params=params, ExpiresIn=_URL_TTL_S)
        headers = {**guard, "x-amz-copy-source": f"/{bucket}/{source}"}
        request = AWSRequest("PUT", url=url, data=_SENT, headers=headers)
        if client._endpoint.http_session.send(request.prepare()).status_code != 200:
            return False
        return bool(client.get_object(Bucket=bucket, Key=target)["Body"].read() == _SOURCE)
    except ClientError as error:
        if code_of(error) in NOT_FOUND:  # it reported success and did nothing
            return False
        raise
    finally:
        both = {"Objects": [{"Key": source}, {"Key": target}], "Quiet": True}
        client.delete_objects(Bucket=bucket, Delete=both)
