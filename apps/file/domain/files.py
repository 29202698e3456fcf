"""Files of channels: what is kept about one, who may do what, what counts against whom. Pure."""

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
    """What our copy knows about a profile in a channel. Without a role it is no member there."""

    server_id: UUID
    deleted: bool
    role: Role | None


class FileRecord(Struct, kw_only=True):
    """A file as it is kept, or the tombstone of one until its bytes are gone."""

    file: File
    server_id: UUID
    revision: int = 1
    sha256: str | None = None
    upload_until: datetime | None = None
    """Until then its address takes bytes, from whoever has it; null when it has none."""
    charged: bool = True
    """Whether it counts against its owner: a tombstone does as long as its address takes bytes."""
    purge_at: datetime | None = None
    """When its places in the bucket are looked at next, for what has no use."""
    thumbnails: bool | None = None
    """Whether there are some; null while that is not known."""
    thumbnail_tries: int = 0
    thumbnails_after: datetime | None = None
    """Nobody tries to make them before then."""
    deleted: bool = False
    deleting_call: str | None = None
    """The call that deleted it: the same call, delivered twice, is answered the same twice."""

    @property
    def complete(self) -> bool:
        """Whether its bytes were checked."""
        return self.file.status is FileStatus.COMPLETE

    def is_open(self, now: datetime) -> bool:
        """Whether its address still takes bytes."""
        return self.upload_until is not None and self.upload_until > now


class Usage(Struct, frozen=True):
    """What all files of a person take."""

    size: int
    files: int


class Allowance(Struct, frozen=True, kw_only=True):
    """What a person may have; sizes in bytes."""

    file_max_bytes: int
    quota_bytes: int
    quota_files: int
    types: frozenset[str]
    """The media types that are taken."""

    def check_size(self, size: int) -> None:
        """Raises `file.too_large`."""
        if size > self.file_max_bytes:
            raise errors.FILE_TOO_LARGE.exception(f"A file may have at most {self.file_max_bytes} bytes.")

    def check_quota(self, usage: Usage, size: int) -> None:
        """Whether one more file of this size fits. Raises `quota.exceeded`."""
        if usage.size + size > self.quota_bytes:
            left = max(0, self.quota_bytes - usage.size)
            raise errors.QUOTA_EXCEEDED.exception(
                f"Your files may take {self.quota_bytes} bytes in all; {left} are left, {size} are needed."
            )
        if usage.files >= self.quota_files:
            raise errors.QUOTA_EXCEEDED.exception(f"A person may have at most {self.quota_files} files.")


def file_not_found() -> ServiceError:
    """The answer to all who may not see a file; why is not told."""
    return errors.FILE_NOT_FOUND.exception("There is no file with this id that you can see.")


def admit(place: ChannelMembership | None) -> ChannelMembership:
    """The place of a member. Raises `channel.not_found`, and Unsure when our copy may lag."""
    if place is not None and place.deleted:
        raise channel_not_found()
    if place is None or place.role is None:
        raise MembershipUnknown(channel_not_found())
    return place


def check_seen(kept: FileRecord | None, place: ChannelMembership | None, profile_id: UUID) -> FileRecord:
    """A file that a profile may see: members see complete ones, the owner also those that wait.

    Raises `file.not_found`, and Unsure when our copy of the members may lag.
    """
    if kept is None or kept.deleted or (place is not None and place.deleted):
        raise file_not_found()
    if place is None or place.role is None:
        raise MembershipUnknown(file_not_found())
    if not kept.complete and kept.file.profile_id != profile_id:
        raise file_not_found()
    return kept


def check_complete(kept: FileRecord) -> FileRecord:
    """Only a complete file has bytes to show. Raises `file.not_found`."""
    if not kept.complete:
        raise file_not_found()
    return kept


def check_delete(kept: FileRecord, place: ChannelMembership, profile_id: UUID) -> None:
    """Its owner, an ADMIN or a MODERATOR deletes a file.

    Raises Unsure, because a role that was just given may not be known here yet.
    """
    if kept.file.profile_id != profile_id and place.role not in _MAY_DELETE_ALL:
        detail = f"Deleting others' files takes the role ADMIN or MODERATOR; yours is {place.role}."
        raise MembershipUnknown(errors.PERMISSION_DENIED.exception(detail))


def attachment_of(file: File) -> Attachment:
    """What a message shows of a file."""
    return Attachment(id=file.id, name=file.name, size=file.size, content_type=file.content_type)
