"""The declaration of an operation: a message pattern with its topic, request and answers."""

from hashlib import sha256
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr

from shared.contracts.base import Answer, Body, Request
from shared.contracts.errors import ErrorCode
from shared.contracts.secrets import secret_fields

SECRET_KEYS = frozenset({"token", "refresh_token"})
"""Fields that determine the order but must not be readable as a Kafka key."""


class Operation(Struct, frozen=True, kw_only=True):
    """One message pattern. Its name is the name of its topic, so that a Kafka UI shows the pattern."""

    name: str
    service: str
    """The service that handles it."""
    callers: tuple[str, ...] = ("gateway",)
    """The processes that call it; they may write to its topic."""
    summary: str
    description: str = ""
    request: type[Request]
    answer: type[Answer] | None = None
    status: int = 200
    """HTTP status of a success; the `status` header of a reply may override it."""
    result: str
    """The response of a success in a phrase, for the API documents."""
    also: dict[int, str] = {}
    """Other successful statuses and the meaning of each."""
    body: type[Body] | None = None
    """The part of the request that comes from the HTTP body."""
    form: bool = False
    """The body is `multipart/form-data`, streamed over HTTP to the service's port, not sent through Kafka."""
    query: type[Body] | None = None
    """The part of the request that comes from the query string."""
    key: str
    """Attribute of the request that is the Kafka key: requests of one key are handled in order."""
    errors: tuple[ErrorCode, ...] = ()
    public: bool = False
    """The operation needs no access token."""
    hot: bool = False
    """The topic is read by a consumer of its own."""
    many: bool = False
    """The requests that are queued up are handled as a batch, in one transaction."""
    reads: bool = False
    """The operation changes nothing, so that requests of one key may be handled concurrently."""
    idempotent: bool = False
    """The operation takes an `Idempotency-Key`; it has its effect once for each key."""
    secrets: frozenset[str] = frozenset()
    """JSON paths of the request's fields that are sealed to the service in Kafka; derived from its struct.

    `upload.url` is the field `url` of the object `upload`.
    """
    answer_secrets: frozenset[str] = frozenset()
    """JSON paths of the answer's fields that are sealed to the caller; derived from its struct."""
    sealed: bool = False
    """The request or the answer has secrets; derived."""

    def __post_init__(self) -> None:
        secrets, answer = frozenset(secret_fields(self.request)), frozenset(secret_fields(self.answer))
        force_setattr(self, "secrets", secrets)
        force_setattr(self, "answer_secrets", answer)
        force_setattr(self, "sealed", bool(secrets or answer))

    def key_of(self, request: Request) -> bytes:
        """Return the Kafka key: the value that determines the order; for a secret, its SHA-256."""
        value: UUID | str = getattr(request, self.key)
        if self.key in SECRET_KEYS:
            return sha256(str(value).encode()).hexdigest().encode()
        return str(value).encode()
