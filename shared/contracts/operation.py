"""What an operation is: one message pattern, its topic, its request and its answers."""

from hashlib import sha256
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr

from shared.contracts.base import Answer, Body, Request
from shared.contracts.errors import ErrorCode
from shared.contracts.secrets import secret_fields

SECRET_KEYS = frozenset({"token", "refresh_token"})
"""Fields that order by value but must not be readable as a Kafka key."""


class Operation(Struct, frozen=True, kw_only=True):
    """One message pattern. Its name is its topic, so that a Kafka UI shows the pattern."""

    name: str
    service: str
    summary: str
    description: str = ""
    request: type[Request]
    answer: type[Answer] | None = None
    status: int = 200
    """HTTP status of a success; a reply may name another one in its `status` header."""
    result: str
    """The response of a success in a phrase, for the API documents."""
    also: dict[int, str] = {}
    """Other successful statuses and what each means."""
    body: type[Body] | None = None
    """The part of the request that comes from the HTTP body."""
    form: bool = False
    """The body is `multipart/form-data`, streamed over HTTP to the service's own port, not through Kafka."""
    query: type[Body] | None = None
    """The part of the request that comes from the query string."""
    key: str
    """Attribute of the request that is the Kafka key: its order is kept."""
    errors: tuple[ErrorCode, ...] = ()
    public: bool = False
    """Needs no access token."""
    hot: bool = False
    """Read through a consumer of its own."""
    many: bool = False
    """Answered in group commits: all that queued up in one transaction."""
    reads: bool = False
    """Changes nothing, so that requests of one key may be answered side by side."""
    idempotent: bool = False
    """Takes an `Idempotency-Key`; its effect is stored with the key and done once."""
    secrets: frozenset[str] = frozenset()
    """Fields of the request, as in JSON, that stand in Kafka sealed to the service; from its struct.

    `upload.url` is the field `url` of the object `upload`.
    """
    answer_secrets: frozenset[str] = frozenset()
    """Fields of the answer that are sealed to the caller; from its struct."""
    sealed: bool = False
    """Whether there are any of either."""

    def __post_init__(self) -> None:
        secrets, answer = frozenset(secret_fields(self.request)), frozenset(secret_fields(self.answer))
        force_setattr(self, "secrets", secrets)
        force_setattr(self, "answer_secrets", answer)
        force_setattr(self, "sealed", bool(secrets or answer))

    def key_of(self, request: Request) -> bytes:
        """The Kafka key of a request: the id whose order matters; of a secret, its digest."""
        value: UUID | str = getattr(request, self.key)
        if self.key in SECRET_KEYS:
            return sha256(str(value).encode()).hexdigest().encode()
        return str(value).encode()
