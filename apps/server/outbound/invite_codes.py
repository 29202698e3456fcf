"""Random invite codes."""

from secrets import token_urlsafe

CODE_BYTES = 9


class RandomInviteCodes:
    """`apps.server.ports.InviteCodes`: 72 random bits as 12 URL-safe characters."""

    def new(self) -> str:
        return token_urlsafe(CODE_BYTES)
