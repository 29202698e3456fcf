"""The public keys."""

from apps.auth.ports import AccessTokens
from shared.contracts.account import GetKeys, Jwks


async def get_keys(request: GetKeys, access: AccessTokens) -> Jwks:
    """The keys that an access token may be signed with now or soon, the newest first."""
    return access.published()
