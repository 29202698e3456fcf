"""Files: what the file service answers. The bytes themselves travel over HTTP, to and from S3."""

from enum import StrEnum
from typing import Annotated, Literal, get_args

from msgspec import Meta

from shared.contracts import errors as e
from shared.contracts.base import Answer, Body, Request
from shared.contracts.fields import ContentType, FileName, FileSize, Id, Sha256, Time
from shared.contracts.operation import Operation

FILES_AT_ONCE_MAX = 10
"""Files asked about at once, and attachments of one message."""


class FileStatus(StrEnum):
    """PENDING: not uploaded or not verified yet. COMPLETE: visible to the channel's members."""

    PENDING = "PENDING"
    COMPLETE = "COMPLETE"


SignedUrl = Annotated[
    str,
    Meta(
        examples=["https://s3.example.org/concord/uploads/019a4c5e?X-Amz-Signature=5f1c"],
        extra={"secret": True},
    ),
]
"""The URL works for anyone until it expires, so it is a secret in Kafka (ADR 12)."""
_Size = Literal[96, 320, 640, 800]
THUMBNAIL_SIZES: tuple[int, ...] = get_args(_Size)
CROPPED_SIZE = 96
"""The others keep the shape of the image."""
ThumbnailSize = Annotated[_Size, Meta(examples=[320], extra={"rule": "must be 96, 320, 640 or 800"})]


class File(Answer, kw_only=True):
    """A file of a channel. `size` is in bytes, `contentType` was checked once it is COMPLETE."""

    id: Id
    channel_id: Id
    profile_id: Id
    name: FileName
    size: FileSize
    content_type: ContentType
    status: FileStatus
    created_at: Time


class Upload(Answer, kw_only=True):
    """An upload request: send the bytes by this method to this URL, with these headers, before it expires."""

    method: Annotated[str, Meta(examples=["PUT"])]
    url: SignedUrl
    headers: Annotated[
        dict[str, str], Meta(examples=[{"Content-Type": "image/png", "Content-Length": "48213"}])
    ]
    expires_at: Time


class NewFile(Answer, kw_only=True):
    """A file that waits for its bytes."""

    file: File
    upload: Upload


class FileLocation(Answer, kw_only=True):
    """A download URL that works without a token until it expires."""

    url: SignedUrl
    expires_at: Time


class Attachment(Answer, kw_only=True):
    """A file as shown in messages."""

    id: Id
    name: FileName
    size: FileSize
    content_type: ContentType


class Attachments(Answer, kw_only=True):
    """The files that were asked about, in the order asked."""

    items: list[Attachment]


class CreateFileBody(Body, kw_only=True):
    """`sha256` is optional: with it S3 accepts only content with this digest."""

    channel_id: Id
    name: FileName
    size: FileSize
    content_type: ContentType
    sha256: Sha256 | None = None


class CreateFile(CreateFileBody, Request, kw_only=True, forbid_unknown_fields=False):
    profile_id: Id


class OfFile(Request, kw_only=True):
    """A call about one file that needs nothing more."""

    file_id: Id
    profile_id: Id


class DownloadQuery(Body, kw_only=True):
    """`inline`: to be shown, not saved, where its type can be shown without danger."""

    inline: Annotated[Literal["true", "false", ""], Meta(examples=["true"])] = "false"


class DownloadFile(DownloadQuery, Request, kw_only=True, forbid_unknown_fields=False):
    file_id: Id
    profile_id: Id


class ThumbnailQuery(Body, kw_only=True):
    """96 is cropped to a square; the others are the longest side, never larger than the image."""

    size: ThumbnailSize = 320


class GetThumbnail(ThumbnailQuery, Request, kw_only=True, forbid_unknown_fields=False):
    file_id: Id
    profile_id: Id


class DescribeFiles(Request, kw_only=True):
    """Files that their owner wants to attach to a message in a channel."""

    channel_id: Id
    profile_id: Id
    file_ids: Annotated[list[Id], Meta(min_length=1, max_length=FILES_AT_ONCE_MAX)]


UPLOAD_PATH = "/api/files/upload"
"""Of the gateway and of the file service's own port."""


class UploadForm(Body, kw_only=True):
    """A form of two fields in this order: the channel, then the file with its name and type."""

    channel_id: Id
    file: Annotated[str, Meta(extra_json_schema={"format": "binary"}, examples=["the bytes of the file"])]


class UploadFile(UploadForm, Request, kw_only=True, forbid_unknown_fields=False):
    """Never a record in Kafka: the form goes over HTTP to the file service."""

    profile_id: Id


_SIGNED_IN = (e.TOKEN_MISSING, e.TOKEN_INVALID, e.TOKEN_EXPIRED)
_OF_FILE = (*_SIGNED_IN, e.FILE_NOT_FOUND)

FILE_CREATE = Operation(
    name="file.create",
    service="file",
    summary="Announce a file",
    description=(
        "Returns a URL in S3 that accepts content of exactly this size and type until it expires. Upload the "
        "content and complete the file; until then only you can see it. A repetition with the same "
        "`Idempotency-Key` signs the URL again for the rest of its time, and fails with `file.not_uploaded` "
        "after that."
    ),
    request=CreateFile,
    body=CreateFileBody,
    answer=NewFile,
    status=201,
    result="The announced file and the address for its upload.",
    key="channel_id",
    errors=(
        *_SIGNED_IN,
        e.CHANNEL_NOT_FOUND,
        e.FILE_NOT_UPLOADED,
        e.FILE_TOO_LARGE,
        e.FILE_TYPE_NOT_ALLOWED,
        e.QUOTA_EXCEEDED,
    ),
    idempotent=True,
)
FILE_COMPLETE = Operation(
    name="file.complete",
    service="file",
    summary="Complete a file",
    description=(
        "Checks the size and, by the bytes themselves, the type of what was uploaded; from then on the "
        "members of the channel see it. Completing it again changes nothing. With the same "
        "`Idempotency-Key` the response is the first one, even if the file has been discarded or deleted "
        "since; after `file.not_uploaded` and `file.not_found` the file is checked again."
    ),
    request=OfFile,
    answer=File,
    result="The completed file.",
    key="file_id",
    errors=(*_OF_FILE, e.FILE_NOT_UPLOADED, e.FILE_SIZE_MISMATCH, e.FILE_TYPE_NOT_ALLOWED),
    idempotent=True,
)
FILE_GET = Operation(
    name="file.get",
    service="file",
    summary="Read a file's metadata",
    request=OfFile,
    answer=File,
    result="The file's metadata.",
    key="file_id",
    errors=_OF_FILE,
    reads=True,
)
FILE_DOWNLOAD = Operation(
    name="file.download",
    service="file",
    summary="Download a file",
    description="Redirects to an S3 URL that is valid for a few minutes and needs no token.",
    request=DownloadFile,
    query=DownloadQuery,
    answer=FileLocation,
    status=302,
    result="A redirect to the file's content.",
    key="file_id",
    errors=_OF_FILE,
    reads=True,
)
FILE_THUMBNAIL = Operation(
    name="file.thumbnail",
    service="file",
    summary="Download a thumbnail",
    description="Redirects to a WebP thumbnail in S3, upright and without metadata.",
    request=GetThumbnail,
    query=ThumbnailQuery,
    answer=FileLocation,
    status=302,
    result="A redirect to the thumbnail.",
    key="file_id",
    errors=(*_OF_FILE, e.FILE_NO_THUMBNAIL),
    reads=True,
)
FILE_DELETE = Operation(
    name="file.delete",
    service="file",
    summary="Delete a file",
    description=(
        "By its owner, an ADMIN or a MODERATOR. It disappears from the messages that show it. Its quota "
        "is released when its upload URL has expired."
    ),
    request=OfFile,
    status=204,
    result="The file is deleted.",
    key="file_id",
    errors=(*_OF_FILE, e.PERMISSION_DENIED),
)
FILE_DESCRIBE = Operation(
    name="file.describe",
    service="file",
    callers=("message",),
    summary="Files that their owner may attach in a channel",
    description="For other services: complete files of this profile in this channel, at most 10 at once.",
    request=DescribeFiles,
    answer=Attachments,
    result="The files found.",
    key="channel_id",
    errors=(e.FILE_NOT_FOUND,),
    reads=True,
)
FILE_UPLOAD = Operation(
    name="file.upload",
    service="file",
    summary="Upload a file",
    description=(
        "In one go, as a form: the field `channelId`, then the field `file` with its name and type, as "
        "`curl -F channelId=… -F 'file=@tea.png;type=image/png'` sends it. The bytes are passed on as they "
        "come. The file service takes the same at its own port. An `Idempotency-Key` stands for one channel, "
        "name, type and content, at either port. An interrupted or rejected upload leaves nothing behind: "
        "retry it with the same key."
    ),
    request=UploadFile,
    body=UploadForm,
    form=True,
    answer=File,
    status=201,
    result="The uploaded file.",
    key="channel_id",
    errors=(*_SIGNED_IN, e.CHANNEL_NOT_FOUND, e.FILE_TOO_LARGE, e.FILE_TYPE_NOT_ALLOWED, e.QUOTA_EXCEEDED),
    idempotent=True,
)
"""Over HTTP only, so not among the operations that travel through Kafka."""

AT_FILE_PORT = (FILE_UPLOAD, FILE_DOWNLOAD)
"""The operations that the file service also offers at its own HTTP port, as the gateway does."""

OPERATIONS = (
    FILE_CREATE,
    FILE_COMPLETE,
    FILE_GET,
    FILE_DOWNLOAD,
    FILE_THUMBNAIL,
    FILE_DELETE,
    FILE_DESCRIBE,
)
