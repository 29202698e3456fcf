"""keys.get"""

from apps.auth.ports import AccessTokens, Sealing
from shared.contracts.account import SEALING, GetKeys, Jwks


async def get_keys(request: GetKeys, access: AccessTokens, sealing: Sealing) -> Jwks:
    """Return the keys that may sign access tokens now or soon, the newest first.

    For the audience `sealing`, return the keys that secrets are sealed to; the first is the one to use.
    """
    return sealing.published() if request.audience == SEALING else access.published()
