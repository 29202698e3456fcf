"""Calls with secrets: encrypted to the service's key in the request, decrypted in the answer.

The service's keys are fetched with the first such request, again after some minutes, and when the service
replies that a key is gone; that call is then repeated once. Answers are encrypted to a key of this process,
which is stored nowhere.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from msgspec import Struct, structs

from shared.contracts.account import KEYS_GET, SEALING, GetKeys, Jwks
from shared.contracts.errors import INTERNAL_ERROR, MESH_BUSY, SEAL_BROKEN, SEAL_KEY_GONE, ServiceError
from shared.kit.clock import SystemIds
from shared.kit.rpc.caller import Caller, RawReply
from shared.kit.security.field_encryption import open_answer, seal_request
from shared.kit.security.hpke import DecryptionError, public_key, public_text
from shared.kit.wire.call import Call

log = logging.getLogger(__name__)

_KEY_MAX_AGE_S = 300.0

RoundTrip = Callable[[Call, bytes, bytes], Awaitable[RawReply]]
"""Sends a call with its key and body, and returns the reply."""


class _Key(Struct, frozen=True):
    kid: str
    public: X25519PublicKey
    fetched_at_s: float


class EncryptingRpcClient:
    """Makes the calls of one client that have secrets."""

    def __init__(self, caller: Caller, round_trip: RoundTrip) -> None:
        self._caller = caller
        self._round_trip = round_trip
        self._private = X25519PrivateKey.generate()
        self._reply_key = public_text(self._private)
        self._ids = SystemIds()
        self._key: _Key | None = None
        self._fetching = asyncio.Lock()

    async def round_trip(self, call: Call, key: bytes, body: bytes) -> RawReply:
        """Call, and return the reply with its secrets decrypted.

        Raises `mesh.busy` if the service publishes no key that it accepts, and what the client raises.
        """
        call = structs.replace(call, reply_key=self._reply_key if call.operation.answer_secrets else None)
        used = await self._service_key(call, gone=None) if call.operation.secrets else None
        reply = await self._once(call, key, body, used)
        if reply.error == SEAL_KEY_GONE.name and used is not None:
            log.info("the key %s is gone", used.kid)
            call = structs.replace(call, call_id=self._ids.text())
            reply = await self._once(call, key, body, await self._service_key(call, gone=used.kid))
        if reply.error == SEAL_KEY_GONE.name:
            raise MESH_BUSY.exception("The keys of the service are changing.")
        if reply.error == SEAL_BROKEN.name:
            raise INTERNAL_ERROR.exception("The service could not open what was sealed to it.")
        return reply

    async def _once(self, call: Call, key: bytes, body: bytes, used: _Key | None) -> RawReply:
        sealed = body if used is None else seal_request(call, body, used.kid, used.public)
        reply = await self._round_trip(call, key, sealed)
        if reply.error is not None or not call.operation.answer_secrets:
            return reply
        try:
            return structs.replace(reply, body=open_answer(call, reply.body, self._private))
        except DecryptionError as error:
            raise INTERNAL_ERROR.exception(
                f"The answer of {call.operation.name} can not be opened."
            ) from error

    async def _service_key(self, call: Call, gone: str | None) -> _Key:
        """Return the key to seal to. An old one serves as well while no newer one can be fetched."""
        try:
            async with asyncio.timeout_at(call.expires_at_s), self._fetching:
                if self._is_fresh(gone):
                    assert self._key is not None
                    return self._key
                try:
                    self._key = await self._fetch(call)
                except ServiceError:
                    if self._key is None or self._key.kid == gone:
                        raise
                return self._key
        except TimeoutError:
            raise call.expired() from None

    def _is_fresh(self, gone: str | None) -> bool:
        key = self._key
        return key is not None and key.kid != gone and time.monotonic() - key.fetched_at_s < _KEY_MAX_AGE_S

    async def _fetch(self, call: Call) -> _Key:
        # Without this call's correlation id, because all later calls use the key as well.
        jwks: Jwks = await self._caller.call(
            KEYS_GET, GetKeys(audience=SEALING), deadline_ms=call.deadline_ms
        )
        for jwk in jwks.keys:
            if (jwk.kty, jwk.crv, jwk.use) == ("OKP", "X25519", "enc"):
                try:
                    return _Key(jwk.kid, public_key(jwk.x), time.monotonic())
                except DecryptionError:
                    log.error("the key %s is no X25519 key", jwk.kid)
        raise MESH_BUSY.exception("The service gives no key to seal secrets to.")
