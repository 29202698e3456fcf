"""Files of channels: their records, the permissions on them, and the quota they count against. Pure."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from shared.contracts import errors
from shared.contracts.errors import ServiceError
from shared.contracts.fields import Role
from shared.contracts.file import Attachment, File, FileStatus
from shared.membership.access import MembershipUnknown, channel_not_found

_MAY_DELETE_ALL = frozenset({Role.ADMIN, Role.MODERATOR})


class ChannelMembership(Struct, frozen=True, kw_only=True):
    """Our copy of a profile's membership in the server of a channel. Without a role it is no member."""

    server_id: UUID
    deleted: bool
    """True if the channel was deleted."""
    role: Role | None


class FileRecord(Struct, kw_only=True):
    """A stored file, or the tombstone of one until its bytes are gone."""

    file: File
    server_id: UUID
    revision: int = 1
    sha256: str | None = None
    """The digest that the upload must have, in Base64; None if the client announced none."""
    upload_until: datetime | None = None
    """Until then its upload URL takes bytes from anyone who has it; None without such a URL."""
    charged: bool = True
    """True while it counts against its owner's quota: a tombstone does as long as its URL takes bytes."""
    purge_at: datetime | None = None
    """The time of the next purge of its unused objects."""
    thumbnails: bool | None = None
    """True if it has thumbnails, None while that is not decided."""
    thumbnail_tries: int = 0
    thumbnails_after: datetime | None = None
    """Nobody tries to render them before then."""
    deleted: bool = False
    deleting_call: str | None = None
    """The call that deleted it: the same call, delivered twice, gets the same answer."""

    @property
    def complete(self) -> bool:
        """Return True if its bytes were checked."""
        return self.file.status is FileStatus.COMPLETE

    def is_open(self, now: datetime) -> bool:
        """Return True if its upload URL still takes bytes."""
        return self.upload_until is not None and self.upload_until > now


class Usage(Struct, frozen=True):
    """The bytes and the number of all files of a person."""

    size: int
    files: int


class Allowance(Struct, frozen=True, kw_only=True):
    """The bounds of a person's files; sizes in bytes."""

    file_max_bytes: int
    quota_bytes: int
    quota_files: int
    types: frozenset[str]
    """The accepted media types."""

    def check_size(self, size: int) -> None:
        """Raise `file.too_large` if a file of this size is larger than allowed."""
        if size > self.file_max_bytes:
            raise errors.FILE_TOO_LARGE.exception(f"A file may have at most {self.file_max_bytes} bytes.")

    def check_quota(self, usage: Usage, size: int) -> None:
        """Raise `quota.exceeded` unless one more file of this size fits."""
        if usage.size + size > self.quota_bytes:
            left = max(0, self.quota_bytes - usage.size)
            raise errors.QUOTA_EXCEEDED.exception(
                f"Your files may take {self.quota_bytes} bytes in all; {left} are left, {size} are needed."
            )
        if usage.files >= self.quota_files:
            raise errors.QUOTA_EXCEEDED.exception(f"A person may have at most {self.quota_files} files.")


def file_not_found() -> ServiceError:
    """Return the error for everyone who may not see a file; it does not reveal the reason."""
    return errors.FILE_NOT_FOUND.exception("There is no file with this id that you can see.")


def require_member(membership: ChannelMembership | None) -> ChannelMembership:
    """Return the membership of a member. Raise `channel.not_found`, MembershipUnknown if our copy may lag."""
    if membership is not None and membership.deleted:
        raise channel_not_found()
    if membership is None or membership.role is None:
        raise MembershipUnknown(channel_not_found())
    return membership


def check_visible(
    file: FileRecord | None, membership: ChannelMembership | None, profile_id: UUID
) -> FileRecord:
    """Return a file that a profile may see: members see complete files, the owner also pending ones.

    Raises `file.not_found`, and MembershipUnknown if our copy of the members may lag.
    """
    if file is None or file.deleted or (membership is not None and membership.deleted):
        raise file_not_found()
    if membership is None or membership.role is None:
        raise MembershipUnknown(file_not_found())
    if not file.complete and file.file.profile_id != profile_id:
        raise file_not_found()
    return file


def check_complete(file: FileRecord) -> FileRecord:
    """Return a complete file; only that one has bytes to serve. Raises `file.not_found`."""
    if not file.complete:
        raise file_not_found()
    return file


def check_may_delete(file: FileRecord, membership: ChannelMembership, profile_id: UUID) -> None:
    """Let the owner, an ADMIN or a MODERATOR delete a file.

    Raises MembershipUnknown for everyone else, because our copy may not have a role that was just granted.
    """
    if file.file.profile_id != profile_id and membership.role not in _MAY_DELETE_ALL:
        detail = f"Deleting others' files takes the role ADMIN or MODERATOR; yours is {membership.role}."
        raise MembershipUnknown(errors.PERMISSION_DENIED.exception(detail))


def attachment_of(file: File) -> Attachment:
    """Return the fields of a file that a message shows."""
    return Attachment(id=file.id, name=file.name, size=file.size, content_type=file.content_type)
