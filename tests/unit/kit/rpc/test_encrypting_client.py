"""The client's calls with secrets: the key that is used, and what happens when it is gone."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.contracts.account import KEYS_GET, SEALING, USER_SIGNIN, GetKeys, Jwk, Jwks, SignedIn
from shared.contracts.errors import (
    INTERNAL_ERROR,
    MESH_BUSY,
    MESH_TIMEOUT,
    SEAL_BROKEN,
    SEAL_KEY_GONE,
    ErrorCode,
    ServiceError,
)
from shared.contracts.examples import example_of
from shared.contracts.file import FILE_DOWNLOAD, FileLocation
from shared.contracts.operation import Operation
from shared.kit.rpc import encrypting_client
from shared.kit.rpc.caller import RawReply
from shared.kit.rpc.encrypting_client import EncryptingRpcClient
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.hpke import base64url, public_text
from shared.kit.wire.call import Call, request_headers
from tests.unit.kit.rpc.calls import SMALL_ORDER, call_of

BODY = b'{"email":"ada@example.org","password":"correct horse"}'
ANSWER = msgspec.json.encode(example_of(SignedIn))


class Auth:
    """A fake of the client and of the service that it calls."""

    def __init__(self) -> None:
        self.seals = FieldEncryption()
        self.fetched = 0
        self.calls: list[Call] = []
        self.bodies: list[bytes] = []
        self.away: ServiceError | None = None
        self.answer: Callable[[Call], bytes] = lambda call: self.seals.seal_answer(call, ANSWER)
        self.rotate("k1")

    def rotate(self, kid: str, *, published: bool = True) -> None:
        """Replace the key; no other is accepted from now on."""
        self._key = X25519PrivateKey.generate()
        self.seals.use({kid: self._key})
        if published:
            x = public_text(self._key)
            self.jwks = Jwks(keys=[Jwk(kid="sig", x=x), Jwk(kid=kid, x=x, crv="X25519", use="enc")])

    async def call(self, operation: Operation, request: GetKeys, **options: Any) -> Jwks:
        assert (operation, request.audience) == (KEYS_GET, SEALING)
        self.fetched += 1
        await asyncio.sleep(0)
        if self.away is not None:
            raise self.away
        return self.jwks

    async def round_trip(self, call: Call, key: bytes, body: bytes) -> RawReply:
        assert b"correct horse" not in body
        self.calls.append(call)
        try:
            _, plain = self.seals.open_request(call, request_headers(call, b""), body)
        except ServiceError as error:
            return RawReply(error.code.status, b"{}", error.code.name)
        self.bodies.append(plain)
        return RawReply(200, self.answer(call))


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def client(auth: Auth) -> EncryptingRpcClient:
    return EncryptingRpcClient(auth, lambda *call: auth.round_trip(*call))


async def sign_in(client: EncryptingRpcClient, **changes: Any) -> RawReply:
    return await client.round_trip(call_of(USER_SIGNIN, **changes), b"k", BODY)


async def refusal(client: EncryptingRpcClient, **changes: Any) -> ErrorCode:
    with pytest.raises(ServiceError) as raised:
        await sign_in(client, **changes)
    return raised.value.code


async def test_the_reply_has_the_bytes_of_the_answer(auth: Auth, client: EncryptingRpcClient) -> None:
    assert (await sign_in(client)).body == ANSWER
    assert auth.bodies == [BODY]


async def test_many_first_calls_at_once_ask_for_the_key_once(auth: Auth, client: EncryptingRpcClient) -> None:
    await asyncio.gather(*(sign_in(client) for _ in range(20)))
    assert (auth.fetched, len(auth.bodies)) == (1, 20)


async def test_a_key_that_is_gone_is_fetched_again_and_the_call_repeated(
    auth: Auth, client: EncryptingRpcClient
) -> None:
    await sign_in(client)
    auth.rotate("k2")
    assert (await sign_in(client)).body == ANSWER
    assert (auth.fetched, len(auth.bodies)) == (2, 2)
    assert len({call.call_id for call in auth.calls[1:]}) == 2, "the second try is a call of its own"


async def test_a_service_that_does_not_know_its_own_key_is_busy(
    auth: Auth, client: EncryptingRpcClient
) -> None:
    auth.rotate("k2", published=False)
    assert await refusal(client) is MESH_BUSY
    assert len(auth.calls) == 2


async def test_a_key_is_asked_for_again_now_and_then_and_an_old_one_serves_when_auth_is_away(
    auth: Auth, client: EncryptingRpcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(client)
    monkeypatch.setattr(encrypting_client, "_KEY_MAX_AGE_S", 0.0)
    await sign_in(client)
    assert auth.fetched == 2
    auth.away = MESH_BUSY.exception("away")
    assert (await sign_in(client)).body == ANSWER
    auth.seals.use({})
    assert await refusal(client) is MESH_BUSY


async def test_without_any_key_nothing_is_sent(auth: Auth, client: EncryptingRpcClient) -> None:
    auth.away = MESH_TIMEOUT.exception("away")
    assert await refusal(client) is MESH_TIMEOUT
    auth.away = None
    small = [Jwk(kid="k", x=base64url(point), crv="X25519", use="enc") for point in SMALL_ORDER]
    for keys in ([], small, [Jwk(kid="k", x="AAAA", crv="X25519", use="enc")], [Jwk(kid="k", x="AAAA")]):
        auth.jwks = Jwks(keys=keys)
        assert await refusal(client) is MESH_BUSY
    assert auth.calls == []


async def test_the_deadline_holds_while_the_key_is_asked_for(auth: Auth, client: EncryptingRpcClient) -> None:
    async def hang(*_: Any, **__: Any) -> Jwks:
        await asyncio.sleep(60)
        return auth.jwks

    auth.call = hang  # type: ignore[method-assign]
    assert await refusal(client, deadline_ms=1) is MESH_TIMEOUT


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", ANSWER, b'{"accessToken":{"sealed":"AAAA"}}'])
async def test_an_answer_that_can_not_be_opened_is_our_fault(
    auth: Auth, client: EncryptingRpcClient, answer: bytes
) -> None:
    auth.answer = lambda call: answer
    assert await refusal(client) is INTERNAL_ERROR


async def test_what_the_service_can_not_open_is_our_fault_and_other_errors_are_passed_on(
    auth: Auth, client: EncryptingRpcClient
) -> None:
    async def broken(call: Call, key: bytes, body: bytes) -> RawReply:
        return RawReply(400, b"{}", kind.name)

    auth.round_trip = broken  # type: ignore[method-assign]
    kind = SEAL_BROKEN
    assert await refusal(client) is INTERNAL_ERROR
    kind = SEAL_KEY_GONE
    assert await refusal(client) is MESH_BUSY
    kind = MESH_BUSY
    assert (await sign_in(client)).error == "mesh.busy"


async def test_where_only_the_answer_has_secrets_no_key_is_asked_for(
    auth: Auth, client: EncryptingRpcClient
) -> None:
    answer = msgspec.json.encode(example_of(FileLocation))
    auth.answer = lambda call: auth.seals.seal_answer(call, answer)
    auth.away = MESH_TIMEOUT.exception("away")
    body = b'{"fileId":"x"}'
    reply = await client.round_trip(call_of(FILE_DOWNLOAD), b"k", body)
    assert (reply.body, auth.fetched, auth.bodies) == (answer, 0, [body])
