"""The public keys."""

from apps.auth.ports import AccessTokens, Sealing
from shared.contracts.account import SEALING, GetKeys, Jwks


async def get_keys(request: GetKeys, access: AccessTokens, sealing: Sealing) -> Jwks:
    """The keys that an access token may be signed with now or soon, the newest first.

    For the audience `sealing`: those that secrets are sealed to, the one to use now first.
    """
    return sealing.published() if request.audience == SEALING else access.published()
