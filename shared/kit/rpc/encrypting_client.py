"""Calls with secrets: sealed to the service's key on the way out, opened on the way back.

Where a request has secrets, the service's keys are asked for with the first such call, now and then, and when
the service says that one is gone; the call is then made once more. The key that answers are sealed to is this
process's own; it is stored nowhere.
"""

import asyncio
import logging
import time
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from msgspec import Struct, structs

from shared.contracts.account import KEYS_GET, SEALING, GetKeys, Jwks
from shared.contracts.errors import INTERNAL_ERROR, MESH_BUSY, SEAL_BROKEN, SEAL_KEY_GONE, ServiceError
from shared.contracts.operation import Operation
from shared.kit.clock import SystemIds
from shared.kit.rpc.reply_consumer import RawReply
from shared.kit.security.field_encryption import open_answer, seal_request
from shared.kit.security.hpke import DecryptionError, public_key, public_text
from shared.kit.wire.call import Call

log = logging.getLogger(__name__)

_KEY_MAX_AGE_S = 300.0


class Client(Protocol):
    """What is needed of the client: it makes one call, as it is."""

    async def call(self, operation: Operation, request: GetKeys, *, deadline_ms: int) -> Any: ...

    async def exchange(self, call: Call, key: bytes, body: bytes) -> RawReply: ...


class _Key(Struct, frozen=True):
    kid: str
    public: X25519PublicKey
    fetched_at_s: float


class EncryptingRpcClient:
    """The calls of one client that have secrets."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._private = X25519PrivateKey.generate()
        self._reply_key = public_text(self._private)
        self._ids = SystemIds()
        self._key: _Key | None = None
        self._fetching = asyncio.Lock()

    async def exchange(self, call: Call, key: bytes, body: bytes) -> RawReply:
        """Call, and give the reply with its secrets opened.

        Raises `mesh.busy` when the service gives no key that it then knows; else as the client does.
        """
        call = structs.replace(call, reply_key=self._reply_key if call.operation.answer_secrets else None)
        used = await self._service_key(call, gone=None) if call.operation.secrets else None
        reply = await self._once(call, key, body, used)
        if reply.error == SEAL_KEY_GONE.code and used is not None:
            log.info("the key %s is gone", used.kid)
            call = structs.replace(call, call_id=self._ids.text())
            reply = await self._once(call, key, body, await self._service_key(call, gone=used.kid))
        if reply.error == SEAL_KEY_GONE.code:
            raise MESH_BUSY.exception("The keys of the service are changing.")
        if reply.error == SEAL_BROKEN.code:
            raise INTERNAL_ERROR.exception("The service could not open what was sealed to it.")
        return reply

    async def _once(self, call: Call, key: bytes, body: bytes, used: _Key | None) -> RawReply:
        sealed = body if used is None else seal_request(call, body, used.kid, used.public)
        reply = await self._client.exchange(call, key, sealed)
        if reply.error is not None or not call.operation.answer_secrets:
            return reply
        try:
            return structs.replace(reply, body=open_answer(call, reply.body, self._private))
        except DecryptionError as error:
            raise INTERNAL_ERROR.exception(
                f"The answer of {call.operation.name} can not be opened."
            ) from error

    async def _service_key(self, call: Call, gone: str | None) -> _Key:
        """The key to seal to. One that is rather old serves as well while there is no newer one to be had."""
        try:
            async with asyncio.timeout(call.remaining_s()), self._fetching:
                if self._is_good(gone):
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

    def _is_good(self, gone: str | None) -> bool:
        key = self._key
        return key is not None and key.kid != gone and time.monotonic() - key.fetched_at_s < _KEY_MAX_AGE_S

    async def _fetch(self, call: Call) -> _Key:
        # No part of the call that happens to be the first: it is for all that come.
        jwks: Jwks = await self._client.call(
            KEYS_GET, GetKeys(audience=SEALING), deadline_ms=call.deadline_ms
        )
        for one in jwks.keys:
            if (one.kty, one.crv, one.use) == ("OKP", "X25519", "enc"):
                try:
                    return _Key(one.kid, public_key(one.x), time.monotonic())
                except DecryptionError:
                    log.error("the key %s is no X25519 key", one.kid)
        raise MESH_BUSY.exception("The service gives no key to seal secrets to.")
