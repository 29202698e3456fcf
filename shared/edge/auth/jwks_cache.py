"""The public keys that access tokens are checked with, fetched from auth over the mesh."""

import asyncio
import binascii
import logging
from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.utils import base64url_decode

from shared.contracts.account import KEYS_GET, GetKeys, Jwks
from shared.contracts.errors import ServiceError
from shared.kit.clock import now_s
from shared.kit.health.checks import Component
from shared.kit.rpc.caller import Caller
from shared.kit.security.access_tokens import public_keys

log = logging.getLogger(__name__)

_RETRY_AFTER_S = (0.2, 0.5, 1.0, 2.0)
UNKNOWN_KID_INTERVAL_S = 5.0
"""However many tokens name a key that nobody knows, auth is asked about it only so often."""


class JwksCache:
    """Keeps `by_kid` up to date in place: fetched at start, now and then, and when a key is unknown."""

    def __init__(
        self, caller: Caller, part: Component, refresh_s: float, now: Callable[[], float] = now_s
    ) -> None:
        self.by_kid: dict[str, Ed25519PublicKey] = {}
        self.document: bytes | None = None
        """The JWKS as it is shown to callers; None until the keys are there."""
        self.generation = 0
        """Goes up when a key is taken away: what was checked with it is checked anew."""
        self._caller = caller
        self._part = part
        self._refresh_s = refresh_s
        self._now = now
        self._fetching: asyncio.Task[bool] | None = None
        self._fetched_at = float("-inf")

    async def follow(self) -> None:
        """Fetch the keys until they are there, then again and again; runs until it is cancelled."""
        attempt = 0
        while True:
            fetched = await self._fetch_once()
            wait_s = self._refresh_s if fetched else _RETRY_AFTER_S[min(attempt, len(_RETRY_AFTER_S) - 1)]
            attempt = 0 if fetched else attempt + 1
            await asyncio.sleep(wait_s)

    async def refresh_for(self, token: str) -> bool:
        """Whether the key that a token names is there after asking auth for it, when it was not before."""
        kid = kid_of(token)
        if kid is None or kid in self.by_kid:
            return False
        if not self._is_fetching() and self._now() - self._fetched_at < UNKNOWN_KID_INTERVAL_S:
            return False
        await self._fetch_once()
        return kid in self.by_kid

    async def _fetch_once(self) -> bool:
        """One fetch at a time, whoever wants it."""
        if self._fetching is None or self._fetching.done():
            self._fetched_at = self._now()
            self._fetching = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._fetching)

    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    async def _fetch(self) -> bool:
        try:
            jwks: Jwks = await self._caller.call(KEYS_GET, GetKeys())
        except ServiceError as error:
            log.warning("the public keys could not be fetched: %s", error)
            if self.document is None:
                self._part.down(f"auth does not give its keys: {error.kind.code}")
            return False
        keys = public_keys(jwks)
        if not keys:
            log.error("auth gave no key that can be used")
            return False
        gone = [kid for kid, key in self.by_kid.items() if keys.get(kid) != key]
        for kid in gone:
            del self.by_kid[kid]
        self.generation += bool(gone)
        self.by_kid.update(keys)
        self.document = msgspec.json.encode(jwks)
        self._part.ready()
        return True


class _Header(msgspec.Struct):
    kid: str


def kid_of(token: str) -> str | None:
    """The key that a token says it was signed with."""
    try:
        return msgspec.json.decode(base64url_decode(token.partition(".")[0]), type=_Header).kid
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return None
