"""Outcomes of an access check on the local copy of memberships."""

from shared.contracts import errors
from shared.contracts.errors import ServiceError


class MembershipUnknown(Exception):
    """The local copy denies access but may lag. Ask the server service first; then raise `verdict`."""

    def __init__(self, verdict: ServiceError) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


def channel_not_found() -> ServiceError:
    """Return the error for a caller who may not see the channel; it does not reveal the reason."""
    return errors.CHANNEL_NOT_FOUND.exception("No channel with this id is visible to you.")
