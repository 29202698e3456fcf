"""Fakes of the client of the services, and of auth's signing key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.utils import base64url_encode

from shared.contracts.account import Jwk, Jwks
from shared.contracts.base import Request
from shared.contracts.errors import ErrorReply, ServiceError
from shared.contracts.examples import example_of
from shared.contracts.operation import Operation
from shared.kit.rpc.caller import RawReply
from shared.kit.rpc.client import decode_reply

PROFILE_ID = UUID("019a4c5e-7b1a-7c3d-9e2f-00000000000a")
SESSION_ID = UUID("019a4c5e-7b1a-7c3d-9e2f-00000000000b")


@dataclass
class Sent:
    """A call that the gateway made."""

    operation: Operation
    body: bytes
    key: bytes
    options: dict[str, Any]

    @property
    def fields(self) -> dict[str, Any]:
        """The request as it would be written to Kafka."""
        return msgspec.json.decode(self.body, type=dict[str, Any])


@dataclass
class FakeServiceClient:
    """Answers every call with the operation's example, or with the answer that a test sets."""

    sent: list[Sent] = field(default_factory=list)
    answer: Callable[[Sent], Any] | None = None
    pending: int = 0

    async def call(self, operation: Operation, request: Request, **options: Any) -> Any:
        body = msgspec.json.encode(request)
        key = operation.key_of(request)
        return decode_reply(operation, await self.send_raw(operation, body, key, **options))

    async def send_raw(self, operation: Operation, body: bytes, key: bytes, **options: Any) -> RawReply:
        sent = Sent(operation, body, key, options)
        self.sent.append(sent)
        if self.answer is not None:
            answer = self.answer(sent)
            return await answer if hasattr(answer, "__await__") else answer
        example = b"" if operation.answer is None else msgspec.json.encode(example_of(operation.answer))
        return RawReply(operation.status, example)

    def fail_with(self, error: ServiceError) -> None:
        """Answer with this error from now on."""
        kind = error.code
        body = ErrorReply(code=kind.name, status=kind.status, detail=error.detail, errors=error.errors)
        reply = RawReply(kind.status, msgspec.json.encode(body), kind.name)
        self.answer = lambda sent: reply

    def raise_with(self, error: BaseException) -> None:
        """Fail the call itself from now on."""

        def fail(sent: Sent) -> RawReply:
            raise error

        self.answer = fail


class Signer:
    """One of auth's keys."""

    def __init__(self, kid: str = "k1") -> None:
        self.kid = kid
        self.private = Ed25519PrivateKey.generate()

    @property
    def jwks(self) -> Jwks:
        """The key set that auth publishes."""
        raw = self.private.public_key().public_bytes_raw()
        return Jwks(keys=[Jwk(kid=self.kid, x=base64url_encode(raw).decode())])

    def token(self, now: datetime | None = None, **changes: Any) -> str:
        """Return an access token, valid unless `changes` make it invalid."""
        now = now or datetime.now(UTC)
        claims = {
            "iss": "concord",
            "aud": "concord",
            "sub": str(PROFILE_ID),
            "sid": str(SESSION_ID),
            "jti": "019a4c5e-7b1a-7c3d-9e2f-00000000000c",
            "exp": int((now + timedelta(minutes=15)).timestamp()),
            "iat": int(now.timestamp()),
            **changes,
        }
        return jwt.encode(claims, self.private, algorithm="EdDSA", headers={"kid": self.kid})
