"""The one catalogue of errors (RFC 9457): every code that a caller can meet, and its explanation."""

from msgspec import Struct


class FieldError(Struct, frozen=True):
    """One thing wrong with the input. `path` is a field (`content`), or `$` for the whole body."""

    path: str
    message: str


class ErrorCode(Struct, frozen=True, kw_only=True):
    """A code, its HTTP status and title, and the text of its page at `/api/errors/<code>`."""

    code: str
    status: int
    title: str
    explanation: str
    retry_after_s: int | None = None

    def exception(
        self, detail: str, errors: tuple[FieldError, ...] = (), *, retry_after_s: int | None = None
    ) -> "ServiceError":
        """The exception to raise: `detail` is told to the caller, so it holds no secret."""
        return ServiceError(self, detail, errors, retry_after_s)


class ServiceError(Exception):
    """A typed error: raised by a rule, carried by a reply, shown as problem+json."""

    def __init__(
        self,
        kind: ErrorCode,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{kind.code}: {detail}")
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.retry_after_s = kind.retry_after_s if retry_after_s is None else retry_after_s


class ErrorReply(Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of a reply whose `error` header is set."""

    code: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()
    retry_after_s: int | None = None
    """When it is worth trying again, if that is known better than the catalogue knows it."""


CATALOGUE: dict[str, ErrorCode] = {}


def _kind(
    status: int, code: str, title: str, explanation: str, retry_after_s: int | None = None
) -> ErrorCode:
    kind = ErrorCode(
        code=code, status=status, title=title, explanation=explanation, retry_after_s=retry_after_s
    )
    CATALOGUE[code] = kind
    return kind


VALIDATION_FAILED = _kind(
    400,
    "validation.failed",
    "The input breaks a rule",
    "One or more values are missing, unknown, of the wrong type or out of bounds. `errors` lists all of "
    "them, each with the path of the field and what it must be.",
)
BODY_MALFORMED = _kind(
    400,
    "body.malformed",
    "The body cannot be read",
    "It is not valid JSON in UTF-8 (lone surrogates such as `\\ud800` are not valid either), of an upload no "
    "valid form; or it broke off, stood still or came too slowly. `detail` says which.",
)
REQUEST_MALFORMED = _kind(
    400,
    "request.malformed",
    "The request is not valid HTTP",
    "The request line or a header breaks the rules of HTTP/1.1, so nothing else of it was looked at.",
)
TOKEN_MISSING = _kind(
    401,
    "token.missing",
    "No access token was sent",
    "This call needs the header `Authorization: Bearer <accessToken>`. Sign up or sign in to get one.",
)
TOKEN_INVALID = _kind(
    401,
    "token.invalid",
    "The token is not valid",
    "The token is malformed, was not signed by this Concord, is meant for someone else, or its session has "
    "ended. Sign in again.",
)
TOKEN_EXPIRED = _kind(
    401,
    "token.expired",
    "The token has expired",
    "Access tokens live 15 minutes. Get a new one with `POST /api/auth/refresh`.",
)
CREDENTIALS_INVALID = _kind(
    401,
    "credentials.invalid",
    "The e-mail or the password is wrong",
    "No account matches this e-mail and password together. Which of the two is wrong is not told.",
)
PERMISSION_DENIED = _kind(
    403,
    "permission.denied",
    "You may not do this",
    "You can see the thing, but your role does not allow this. `detail` names what it takes.",
)
SEAL_BROKEN = _kind(
    400,
    "seal.broken",
    "A secret can not be opened",
    "Passwords and tokens stand in Kafka sealed (HPKE, RFC 9180) to whom they are for. One of this request "
    "is not sealed, or not for this operation, field, call and deadline; or nobody is named whom the "
    "answer's tokens could be sealed to. Calls over HTTP never meet this.",
)
SEAL_KEY_GONE = _kind(
    409,
    "seal.key_gone",
    "A secret is sealed to a key that is gone",
    "The service's keys change. Ask for them anew with `keys.get` and send the request again: it was not "
    "carried out. Calls over HTTP never meet this, the gateway does that.",
)
SIGNATURE_INVALID = _kind(
    403,
    "signature.invalid",
    "The request was not signed by this mesh",
    "Requests in Kafka carry a signature made with the mesh's secret, over all that they say. This one has "
    "none, or was changed after it was signed, or was signed with another secret or for another topic. Calls "
    "over HTTP never meet this.",
)
ROUTE_UNKNOWN = _kind(
    404, "route.unknown", "There is nothing at this path", "See `/api/docs` for every path there is."
)
PROFILE_NOT_FOUND = _kind(
    404, "profile.not_found", "There is no such profile", "The account does not exist, or no longer."
)
SESSION_NOT_FOUND = _kind(
    404,
    "session.not_found",
    "You have no such session",
    "The session has ended already, or it is not one of yours.",
)
SERVER_NOT_FOUND = _kind(
    404,
    "server.not_found",
    "There is no such server that you can see",
    "The server does not exist, or you are not a member of it; which of the two is not told.",
)
CHANNEL_NOT_FOUND = _kind(
    404,
    "channel.not_found",
    "There is no such channel that you can see",
    "The channel does not exist, or you are not a member of its server; which of the two is not told.",
)
MEMBER_NOT_FOUND = _kind(
    404,
    "member.not_found",
    "There is no such member in this server",
    "The profile is not a member of this server, or no longer.",
)
INVITE_NOT_FOUND = _kind(
    404,
    "invite.not_found",
    "There is no such invite",
    "The code was never given, or it was revoked or replaced by a new one.",
)
MESSAGE_NOT_FOUND = _kind(
    404,
    "message.not_found",
    "There is no such message in this channel",
    "The message does not exist in this channel, or it was deleted.",
)
FILE_NOT_FOUND = _kind(
    404,
    "file.not_found",
    "There is no such file that you can see",
    "The file does not exist, or no longer, its upload is not complete, or you are not a member of its "
    "channel's server; which of them is not told.",
)
FILE_NO_THUMBNAIL = _kind(
    404,
    "file.no_thumbnail",
    "This file has no thumbnail",
    "Only images that can be read and are not too large have thumbnails. Or they could not be made, though "
    "it was tried often; `detail` says so, and an hour later it is tried again for whoever asks.",
)
METHOD_NOT_ALLOWED = _kind(
    405,
    "method.not_allowed",
    "This path does not take this method",
    "The `Allow` header lists the methods that this path takes.",
)
EMAIL_TAKEN = _kind(
    409,
    "email.taken",
    "This e-mail has an account",
    "Sign in instead, or sign up with another e-mail address.",
)
MEMBER_EXISTS = _kind(
    409, "member.exists", "This profile is a member already", "Nothing was changed; the membership stands."
)
IDEMPOTENCY_MISMATCH = _kind(
    409,
    "idempotency.mismatch",
    "This Idempotency-Key was used for another body",
    "A key stands for one request of yours to one path, for 24 hours. Use a new key for a new request.",
)
OWNER_CANNOT_LEAVE = _kind(
    409,
    "server.owner_cannot_leave",
    "The owner cannot leave the server",
    "The owner must transfer the server to someone else or delete it first.",
)
SERVER_LIMIT = _kind(
    409,
    "server.limit_reached",
    "You are in as many servers as one may be",
    "A person can be in 100 servers. Leave or delete one first.",
)
CHANNEL_LIMIT = _kind(
    409,
    "channel.limit_reached",
    "The server has as many channels as it may have",
    "A server can have 500 channels. Delete one first.",
)
INVITE_LIMIT = _kind(
    409,
    "invite.limit_reached",
    "The server has as many invites as it may have",
    "A server can have 1000 invites that are still good. Revoke one first.",
)
QUOTA_EXCEEDED = _kind(
    409,
    "quota.exceeded",
    "Your files take as much room as they may",
    "All files of one person together have a bound, uploads that are not complete included. Delete some "
    "first.",
)
FILE_NOT_UPLOADED = _kind(
    409,
    "file.not_uploaded",
    "The bytes are not there yet",
    "Upload them to the address that came with the file, then complete it. The address is good for a while "
    "only; after that create the file anew.",
)
FILE_SIZE_MISMATCH = _kind(
    409,
    "file.size_mismatch",
    "The upload has another size than was said",
    "What was uploaded is not what the file was created for. It is thrown away: create the file anew.",
)
CHANNEL_NOT_TEXT = _kind(
    409,
    "channel.not_text",
    "This channel takes no messages",
    "Messages live in channels of type TEXT; this one is AUDIO or VIDEO.",
)
INVITE_EXPIRED = _kind(
    410, "invite.expired", "This invite is no longer good", "It has expired, or it was used up."
)
BODY_TOO_LARGE = _kind(
    413, "body.too_large", "The body is too large", "`detail` says how large a body may be here."
)
MEDIA_TYPE_UNSUPPORTED = _kind(
    415,
    "media_type.unsupported",
    "The body is of another type than is taken here",
    "Send JSON with the header `Content-Type: application/json`, an upload as `multipart/form-data`.",
)
FILE_TOO_LARGE = _kind(
    413,
    "file.too_large",
    "The file is too large",
    "`detail` says how large a file may be here, whether it is announced or sent.",
)
FILE_TYPE_NOT_ALLOWED = _kind(
    415,
    "file.type_not_allowed",
    "Files of this type are not taken",
    "The type is not among those that are allowed here, or the bytes are of another type than was said. What "
    "was uploaded is thrown away.",
)
HEADERS_TOO_LARGE = _kind(
    431,
    "headers.too_large",
    "The headers are too large",
    "The address and all headers together may be so large as `detail` says.",
)
RATE_LIMITED = _kind(
    429,
    "rate.limited",
    "Too many requests",
    "Wait as long as `Retry-After` says, then try again. `RateLimit-Policy` tells how many requests are let "
    "through in which time, `RateLimit` how many are left. Signing in has stricter limits: for an address, "
    "and for the attempts at one account.",
    retry_after_s=1,
)
INTERNAL_ERROR = _kind(
    500,
    "internal.error",
    "Something went wrong on our side",
    "This is a fault of the program. The correlation id finds it in the logs.",
)
MESH_BUSY = _kind(
    503,
    "mesh.busy",
    "The service cannot take this now",
    "A queue is full, or Kafka or a database is away. Nothing is lost: try again after `Retry-After` "
    "seconds, with the same nonce or Idempotency-Key.",
    retry_after_s=1,
)
MESH_TIMEOUT = _kind(
    504,
    "mesh.timeout",
    "The answer did not come in time",
    "The request may still have been carried out. Try again with the same nonce or Idempotency-Key to find "
    "out without doing it twice.",
    retry_after_s=2,
)
