"""The catalogue of errors (RFC 9457): every code that a caller can receive, and its explanation."""

from msgspec import Struct


class FieldError(Struct, frozen=True):
    """A problem of the input. `path` is a field (`content`), or `$` for the whole body."""

    path: str
    message: str


class ErrorCode(Struct, frozen=True, kw_only=True):
    """A code, its HTTP status and title, and the text of its page at `/api/errors/<code>`."""

    name: str
    status: int
    title: str
    explanation: str
    retry_after_s: int | None = None

    def exception(
        self, detail: str, errors: tuple[FieldError, ...] = (), *, retry_after_s: int | None = None
    ) -> "ServiceError":
        """Return the exception to raise. `detail` is sent to the caller, so it must not contain secrets."""
        return ServiceError(self, detail, errors, retry_after_s)


class ServiceError(Exception):
    """A typed error: raised by a rule, carried by a reply, shown as problem+json."""

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after_s = code.retry_after_s if retry_after_s is None else retry_after_s


class ErrorReply(Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of a reply whose `error` header is set."""

    code: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()
    retry_after_s: int | None = None
    """Delay before a retry, if it differs from the catalogue's."""


CATALOGUE: dict[str, ErrorCode] = {}


def _define(
    status: int, name: str, title: str, explanation: str, retry_after_s: int | None = None
) -> ErrorCode:
    error_code = ErrorCode(
        name=name, status=status, title=title, explanation=explanation, retry_after_s=retry_after_s
    )
    CATALOGUE[name] = error_code
    return error_code


VALIDATION_FAILED = _define(
    400,
    "validation.failed",
    "The input is not valid",
    "One or more values are missing, unknown, of the wrong type or out of bounds. `errors` lists all of "
    "them, each with the path of the field and what it must be.",
)
BODY_MALFORMED = _define(
    400,
    "body.malformed",
    "The body cannot be read",
    "It is not valid JSON in UTF-8 (lone surrogates such as `\\ud800` are not valid either) or not a valid "
    "form, or its transfer was interrupted, stalled or too slow. `detail` names the reason.",
)
REQUEST_MALFORMED = _define(
    400,
    "request.malformed",
    "The request is not valid HTTP",
    "The request line or a header violates HTTP/1.1; the rest of the request was not read.",
)
TOKEN_MISSING = _define(
    401,
    "token.missing",
    "No access token was sent",
    "This call needs the header `Authorization: Bearer <accessToken>`. Sign up or sign in to get one.",
)
TOKEN_INVALID = _define(
    401,
    "token.invalid",
    "The token is not valid",
    "The token is malformed, was not signed by this Concord, is meant for another audience, or its session "
    "has ended. Sign in again.",
)
TOKEN_EXPIRED = _define(
    401,
    "token.expired",
    "The token has expired",
    "Access tokens live 15 minutes. Get a new one with `POST /api/auth/refresh`.",
)
CREDENTIALS_INVALID = _define(
    401,
    "credentials.invalid",
    "The e-mail or the password is wrong",
    "No account matches this e-mail and password together. The response does not reveal which of the two is "
    "wrong.",
)
PERMISSION_DENIED = _define(
    403,
    "permission.denied",
    "You may not do this",
    "You can see the resource, but your role does not allow this action. `detail` names the required role.",
)
SEAL_BROKEN = _define(
    400,
    "seal.broken",
    "A secret cannot be decrypted",
    "In Kafka, passwords and tokens are encrypted (sealed, HPKE, RFC 9180) for their recipient. A secret of "
    "this request is not sealed, or not for this operation, field, call and deadline; or the request names "
    "no key for the secrets of the answer. Calls over HTTP never receive this error.",
)
SEAL_KEY_GONE = _define(
    409,
    "seal.key_gone",
    "A secret is sealed to a deleted key",
    "The service rotates its keys. Fetch them again with `keys.get` and repeat the request; it was not "
    "executed. Calls over HTTP never receive this error: the gateway repeats the request.",
)
SIGNATURE_INVALID = _define(
    403,
    "signature.invalid",
    "The request was not signed by this mesh",
    "Requests in Kafka carry a signature of their whole content, made with the mesh's secret. This one has "
    "none, was changed after it was signed, or was signed with another secret or for another topic. Calls "
    "over HTTP never receive this error.",
)
ROUTE_UNKNOWN = _define(404, "route.unknown", "This path does not exist", "`/api/docs` lists all paths.")
PROFILE_NOT_FOUND = _define(
    404, "profile.not_found", "The profile does not exist", "The account never existed or was deleted."
)
SESSION_NOT_FOUND = _define(
    404,
    "session.not_found",
    "You have no such session",
    "The session has ended already, or it is not one of yours.",
)
SERVER_NOT_FOUND = _define(
    404,
    "server.not_found",
    "No such server is visible to you",
    "The server does not exist, or you are not a member of it; the response does not reveal which.",
)
CHANNEL_NOT_FOUND = _define(
    404,
    "channel.not_found",
    "No such channel is visible to you",
    "The channel does not exist, or you are not a member of its server; the response does not reveal which.",
)
MEMBER_NOT_FOUND = _define(
    404,
    "member.not_found",
    "The server has no such member",
    "The profile is not, or no longer, a member of this server.",
)
INVITE_NOT_FOUND = _define(
    404,
    "invite.not_found",
    "The invite does not exist",
    "The code never existed, was revoked, or was replaced by a new one.",
)
MESSAGE_NOT_FOUND = _define(
    404,
    "message.not_found",
    "The channel has no such message",
    "The message does not exist in this channel, or it was deleted.",
)
FILE_NOT_FOUND = _define(
    404,
    "file.not_found",
    "No such file is visible to you",
    "The file does not exist, its upload is not complete, or you are not a member of its channel's server; "
    "the response does not reveal which.",
)
FILE_NO_THUMBNAIL = _define(
    404,
    "file.no_thumbnail",
    "This file has no thumbnail",
    "Only readable images that are not too large have thumbnails. If rendering failed repeatedly, `detail` "
    "says so, and a request after an hour triggers another attempt.",
)
METHOD_NOT_ALLOWED = _define(
    405,
    "method.not_allowed",
    "The path does not support this method",
    "The `Allow` header lists the supported methods.",
)
EMAIL_TAKEN = _define(
    409,
    "email.taken",
    "The e-mail is already in use",
    "Sign in instead, or sign up with another e-mail address.",
)
MEMBER_EXISTS = _define(409, "member.exists", "This profile is a member already", "Nothing was changed.")
IDEMPOTENCY_MISMATCH = _define(
    409,
    "idempotency.mismatch",
    "This Idempotency-Key was used for another body",
    "For 24 hours a key identifies one request of yours to one path. Use a new key for a new request.",
)
OWNER_CANNOT_LEAVE = _define(
    409,
    "server.owner_cannot_leave",
    "The owner cannot leave the server",
    "The owner must transfer the server to someone else or delete it first.",
)
SERVER_LIMIT = _define(
    409,
    "server.limit_reached",
    "You have reached the maximum number of servers",
    "You can be a member of at most 100 servers. Leave or delete one first.",
)
CHANNEL_LIMIT = _define(
    409,
    "channel.limit_reached",
    "The server has reached its maximum number of channels",
    "A server can have at most 500 channels. Delete one first.",
)
INVITE_LIMIT = _define(
    409,
    "invite.limit_reached",
    "The server has reached its maximum number of invites",
    "A server can have at most 1000 valid invites. Revoke one first.",
)
QUOTA_EXCEEDED = _define(
    409,
    "quota.exceeded",
    "Your files have reached their total size limit",
    "The total size of your files is limited; incomplete uploads count. Delete some files first.",
)
FILE_NOT_UPLOADED = _define(
    409,
    "file.not_uploaded",
    "The file has not been uploaded yet",
    "Upload it to the URL that came with the file, then complete it. When the URL has expired, create the "
    "file again.",
)
FILE_SIZE_MISMATCH = _define(
    409,
    "file.size_mismatch",
    "The upload does not have the announced size",
    "The upload does not match the created file and is discarded. Create the file again.",
)
CHANNEL_NOT_TEXT = _define(
    409,
    "channel.not_text",
    "This channel takes no messages",
    "Messages live in channels of type TEXT; this one is AUDIO or VIDEO.",
)
INVITE_EXPIRED = _define(
    410, "invite.expired", "The invite is no longer valid", "It has expired or is used up."
)
BODY_TOO_LARGE = _define(413, "body.too_large", "The body is too large", "`detail` names the limit.")
MEDIA_TYPE_UNSUPPORTED = _define(
    415,
    "media_type.unsupported",
    "The media type of the body is not supported",
    "Send JSON with the header `Content-Type: application/json`, an upload as `multipart/form-data`.",
)
FILE_TOO_LARGE = _define(
    413,
    "file.too_large",
    "The file is too large",
    "The announced or the actual size exceeds the limit; `detail` names it.",
)
FILE_TYPE_NOT_ALLOWED = _define(
    415,
    "file.type_not_allowed",
    "Files of this type are not allowed",
    "The type is not allowed here, or the content does not have the announced type. The upload is discarded.",
)
HEADERS_TOO_LARGE = _define(
    431,
    "headers.too_large",
    "The headers are too large",
    "The request line and all headers exceed the limit that `detail` names.",
)
RATE_LIMITED = _define(
    429,
    "rate.limited",
    "Too many requests",
    "Try again after `Retry-After` seconds. `RateLimit-Policy` states how many requests are allowed in which "
    "period, `RateLimit` how many are left. Signing in has stricter limits, by network and by account.",
    retry_after_s=1,
)
INTERNAL_ERROR = _define(
    500,
    "internal.error",
    "An internal error occurred",
    "This is a bug. Report the correlation id, which identifies the request in the logs.",
)
MESH_BUSY = _define(
    503,
    "mesh.busy",
    "The service is temporarily unavailable",
    "A queue is full, or Kafka or a database is unreachable. Try again after `Retry-After` "
    "seconds, with the same nonce or Idempotency-Key.",
    retry_after_s=1,
)
MESH_TIMEOUT = _define(
    504,
    "mesh.timeout",
    "The answer did not arrive in time",
    "The request may still have been executed. Retry with the same nonce or Idempotency-Key: it has its "
    "effect only once.",
    retry_after_s=2,
)
