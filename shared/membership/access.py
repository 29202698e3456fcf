"""What is answered to who may not see a channel, and to who perhaps may."""

from shared.contracts import errors
from shared.contracts.errors import ServiceError


class MembershipUnknown(Exception):
    """Our copy of the members says no, but may lag: ask the server service, then say `verdict`."""

    def __init__(self, verdict: ServiceError) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


def channel_not_found() -> ServiceError:
    """The answer to all who may not see a channel; why is not told."""
    return errors.CHANNEL_NOT_FOUND.exception("There is no channel with this id that you can see.")
