"""Invite codes from the operating system's randomness."""

from secrets import token_urlsafe

CODE_BYTES = 9


class RandomInviteCodes:
    """`apps.server.ports.InviteCodes`: 72 bits, 12 URL-safe characters."""

    def new(self) -> str:
        return token_urlsafe(CODE_BYTES)
