"""The public keys that verify access tokens, fetched from the auth service over Kafka."""

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
"""Minimum time between two fetches for unknown keys, however many tokens name one."""


class JwksCache:
    """Keeps `by_kid` up to date in place: fetches at start, every `refresh_s`, and for an unknown key."""

    def __init__(
        self, client: Caller, component: Component, refresh_s: float, now: Callable[[], float] = now_s
    ) -> None:
        self.by_kid: dict[str, Ed25519PublicKey] = {}
        self.document: bytes | None = None
        """The JWKS as served to callers; None until the first fetch."""
        self.generation = 0
        """Incremented when a key is removed: tokens it has verified must be verified again."""
        self._client = client
        self._component = component
        self._refresh_s = refresh_s
        self._now = now
        self._fetching: asyncio.Task[bool] | None = None
        self._fetched_at = float("-inf")

    async def follow(self) -> None:
        """Fetch the keys, with short pauses until it succeeds, then every `refresh_s`; until cancelled."""
        attempt = 0
        while True:
            fetched = await self._fetch_once()
            wait_s = self._refresh_s if fetched else _RETRY_AFTER_S[min(attempt, len(_RETRY_AFTER_S) - 1)]
            attempt = 0 if fetched else attempt + 1
            await asyncio.sleep(wait_s)

    async def refresh_for(self, token: str) -> bool:
        """Refetch the JWKS if the token's `kid` is unknown. Return True if that key is now available."""
        kid = kid_of(token)
        if kid is None or kid in self.by_kid:
            return False
        if not self._is_fetching() and self._now() - self._fetched_at < UNKNOWN_KID_INTERVAL_S:
            return False
        await self._fetch_once()
        return kid in self.by_kid

    async def _fetch_once(self) -> bool:
        """Fetch, or join the fetch that is running. Return True if it succeeded."""
        if self._fetching is None or self._fetching.done():
            self._fetched_at = self._now()
            self._fetching = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._fetching)

    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    async def _fetch(self) -> bool:
        try:
            jwks: Jwks = await self._client.call(KEYS_GET, GetKeys())
        except ServiceError as error:
            log.warning("could not fetch the public keys: %s", error)
            if self.document is None:
                self._component.down(f"auth does not return its keys: {error.code.name}")
            return False
        keys = public_keys(jwks)
        if not keys:
            log.error("auth returned no usable key")
            return False
        removed = [kid for kid, key in self.by_kid.items() if keys.get(kid) != key]
        for kid in removed:
            del self.by_kid[kid]
        self.generation += bool(removed)
        self.by_kid.update(keys)
        self.document = msgspec.json.encode(jwks)
        self._component.ready()
        return True


class _Header(msgspec.Struct):
    kid: str


def kid_of(token: str) -> str | None:
    """Return the `kid` in a token's header; None if it has none that can be read."""
    try:
        return msgspec.json.decode(base64url_decode(token.partition(".")[0]), type=_Header).kid
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return None
