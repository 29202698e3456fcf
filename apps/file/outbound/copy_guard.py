"""Keeps an address for an upload from being used to copy, where S3 does not see to that itself.

Signature version 4 has every header `x-amz-…` signed. An S3 that does not insist on it takes a PUT to such
an address for a copy when `x-amz-copy-source` was added, and copies in the name of who signed: so whoever may
upload reads every object whose key he knows. The embedded S3 does so, and SeaweedFS did before 4.21 (ADR 17).
"""

import logging
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from apps.file.domain.keys import upload_key
from apps.file.outbound.s3_client import GONE, code_of
from shared.contracts.errors import MESH_BUSY
from shared.kit.clock import SystemIds

log = logging.getLogger(__name__)

_NEVER = {"x-amz-copy-source-if-match": '"never"'}
"""Nothing that is copied has this tag, and a PUT of bytes is not asked for one."""
_LIFE_S = 60
_SOURCE, _SENT = b"source", b"sent"


class CopyGuard:
    """The headers that addresses for uploads are signed with: none, where S3 refuses what nobody signed.

    An S3 that needs none gets none: it might refuse a condition on a copy that is none.
    """

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self._tried = False

    def watch(self, client: Any) -> None:
        """Sign them with each PUT of this client."""
        client.meta.events.register("before-sign.s3.PutObject", self._add)

    def try_out(self, client: Any, bucket: str) -> None:
        """Find out, once, what is needed here. Raises `mesh.busy` where nothing helps: it is not safe."""
        if self._tried:
            return
        if _copies(client, bucket, self.headers):
            self.headers = dict(_NEVER)
            if _copies(client, bucket, self.headers):
                log.error(
                    "whoever may upload to this S3 can copy, and so read, all that is in it: use another"
                )
                raise MESH_BUSY.exception("The file storage is not safe.")
            log.warning(
                "this S3 takes headers that nobody signed: addresses for uploads are guarded; upgrade it"
            )
        self._tried = True

    def _add(self, request: Any, **_: object) -> None:
        for name, value in self.headers.items():
            request.headers[name] = value


def _copies(client: Any, bucket: str, guard: dict[str, str]) -> bool:
    """Whether an address for an upload, signed with these headers, lets a copy be made."""
    place = upload_key(SystemIds().new())
    source, target = f"{place}-source", f"{place}-target"
    try:
        client.put_object(Bucket=bucket, Key=source, Body=_SOURCE)
        wanted = {"Bucket": bucket, "Key": target}
        url = client.generate_presigned_url("put_object", Params=wanted, ExpiresIn=_LIFE_S)
        headers = {**guard, "x-amz-copy-source": f"/{bucket}/{source}"}
        request = AWSRequest("PUT", url=url, data=_SENT, headers=headers)
        if client._endpoint.http_session.send(request.prepare()).status_code != 200:
            return False
        return bool(client.get_object(Bucket=bucket, Key=target)["Body"].read() == _SOURCE)
    except ClientError as error:
        if code_of(error) in GONE:  # it said yes, and did nothing
            return False
        raise
    finally:
        gone = {"Objects": [{"Key": source}, {"Key": target}], "Quiet": True}
        client.delete_objects(Bucket=bucket, Delete=gone)
