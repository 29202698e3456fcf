"""Accounts: what the auth service answers."""

from msgspec import UNSET, UnsetType

from shared.contracts import errors as e
from shared.contracts.base import Answer, Body, Request
from shared.contracts.fields import (
    Cursor,
    Email,
    Id,
    ImageUrl,
    PageLimit,
    Password,
    PasswordAttempt,
    ProfileName,
    Revision,
    Time,
    Token,
)
from shared.contracts.operation import Operation


class Profile(Answer, kw_only=True):
    """A person as that person sees it."""

    id: Id
    name: ProfileName
    email: Email
    image_url: ImageUrl | None
    created_at: Time
    updated_at: Time


class PublicProfile(Answer, kw_only=True):
    """A person as others see it."""

    id: Id
    name: ProfileName
    image_url: ImageUrl | None
    revision: Revision


class PublicProfiles(Answer, kw_only=True):
    """Those of the asked profiles that exist."""

    items: list[PublicProfile]


class Tokens(Answer, kw_only=True):
    """A new pair of tokens. The access token lives `expiresInS` seconds, the refresh token 30 days."""

    access_token: Token
    refresh_token: Token
    expires_in_s: int


class SignedIn(Tokens, kw_only=True):
    """A person and their new tokens."""

    profile: Profile


class Session(Answer, kw_only=True):
    """One sign-in: a device that holds a refresh token."""

    id: Id
    created_at: Time
    last_used_at: Time
    user_agent: str | None
    current: bool


class Sessions(Answer, kw_only=True):
    """A page of sessions, the one used last first."""

    items: list[Session]
    next: Cursor | None


class Jwk(Answer, kw_only=True):
    """A public key (RFC 7517, RFC 8037): `use` is `sig`, or `enc` for one that secrets are sealed to."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "EdDSA"
    use: str = "sig"


class Jwks(Answer, kw_only=True):
    """The public keys that are valid now."""

    keys: list[Jwk]


class Claims(Answer, kw_only=True):
    """The claims of an access token. Times are seconds since the epoch, as in RFC 7519."""

    iss: str
    aud: str
    sub: Id
    sid: Id
    jti: Id
    exp: int
    iat: int


class VerifiedToken(Answer, kw_only=True):
    """A valid token's profile and claims."""

    profile: Profile
    claims: Claims


class SignUpBody(Body, kw_only=True):
    name: ProfileName
    email: Email
    password: Password


class SignUp(SignUpBody, Request, kw_only=True, forbid_unknown_fields=False):
    user_agent: str | None = None
    network: str | None = None
    """As in `SignIn`."""


class SignInBody(Body, kw_only=True):
    email: Email
    password: PasswordAttempt


class SignIn(SignInBody, Request, kw_only=True, forbid_unknown_fields=False):
    user_agent: str | None = None
    network: str | None = None
    """The network of the caller, as rate limits count it: an IPv4 address, or the /64 of IPv6."""


class RefreshBody(Body, kw_only=True):
    refresh_token: Token


class Refresh(RefreshBody, Request, kw_only=True, forbid_unknown_fields=False):
    user_agent: str | None = None


class SignOut(Request, kw_only=True):
    profile_id: Id
    session_id: Id


class GetProfile(Request, kw_only=True):
    profile_id: Id


class UpdateProfileBody(Body, kw_only=True):
    name: ProfileName | UnsetType = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET


class UpdateProfile(UpdateProfileBody, Request, kw_only=True, forbid_unknown_fields=False):
    profile_id: Id


class ChangePasswordBody(Body, kw_only=True):
    current: PasswordAttempt
    new: Password


class ChangePassword(ChangePasswordBody, Request, kw_only=True, forbid_unknown_fields=False):
    profile_id: Id
    session_id: Id


class PageQuery(Body, kw_only=True):
    limit: PageLimit = 50
    cursor: Cursor | None = None


class ListSessions(PageQuery, Request, kw_only=True, forbid_unknown_fields=False):
    profile_id: Id
    session_id: Id


class RevokeSession(Request, kw_only=True):
    profile_id: Id
    revoked_id: Id


SEALING = "sealing"


class GetKeys(Request, kw_only=True):
    """`access`: the keys that access tokens are signed with; `sealing`: those that secrets are sealed to."""

    audience: str = "access"


class VerifyToken(Request, kw_only=True):
    token: Token


class GetProfiles(Request, kw_only=True):
    """At most 100 ids."""

    reader_id: Id
    ids: list[Id]


_CALLER = (e.TOKEN_MISSING, e.TOKEN_INVALID, e.TOKEN_EXPIRED)

USER_SIGNUP = Operation(
    name="user.signup",
    service="auth",
    summary="Sign up",
    description="Creates an account and a session. The e-mail is normalised and belongs to one account only.",
    request=SignUp,
    body=SignUpBody,
    answer=SignedIn,
    status=201,
    result="The new account's profile and its first tokens.",
    key="email",
    errors=(e.EMAIL_TAKEN,),
    public=True,
)
USER_SIGNIN = Operation(
    name="user.signin",
    service="auth",
    summary="Sign in",
    description="Begins a new session.",
    request=SignIn,
    body=SignInBody,
    answer=SignedIn,
    result="The profile and the tokens of the new session.",
    key="email",
    errors=(e.CREDENTIALS_INVALID, e.RATE_LIMITED),
    public=True,
)
USER_REFRESH = Operation(
    name="user.refresh",
    service="auth",
    summary="Get new tokens",
    description=(
        "Returns a successor of the refresh token. The old token stays valid until a successor is used, so a "
        "lost answer ends no session. Using a dead token ends the whole session."
    ),
    request=Refresh,
    body=RefreshBody,
    answer=Tokens,
    result="The new tokens.",
    key="refresh_token",
    errors=(e.TOKEN_INVALID, e.TOKEN_EXPIRED),
    public=True,
)
USER_SIGNOUT = Operation(
    name="user.signout",
    service="auth",
    summary="Sign out",
    description="Ends this session. Its access tokens stop working within 5 seconds.",
    request=SignOut,
    status=204,
    result="The session has ended.",
    key="profile_id",
    errors=_CALLER,
    idempotent=True,
)
USER_GET = Operation(
    name="user.get",
    service="auth",
    summary="Who am I",
    request=GetProfile,
    answer=Profile,
    result="The caller's profile.",
    key="profile_id",
    errors=(*_CALLER, e.PROFILE_NOT_FOUND),
    hot=True,
    reads=True,
)
USER_UPDATE = Operation(
    name="user.update",
    service="auth",
    summary="Change my profile",
    description="Absent fields keep their values; `imageUrl: null` removes the image.",
    request=UpdateProfile,
    body=UpdateProfileBody,
    answer=Profile,
    result="The changed profile.",
    key="profile_id",
    errors=(*_CALLER, e.PROFILE_NOT_FOUND),
)
USER_CHANGE_PASSWORD = Operation(
    name="user.changePassword",
    service="auth",
    summary="Change my password",
    description="All other sessions end.",
    request=ChangePassword,
    body=ChangePasswordBody,
    status=204,
    result="The password is changed.",
    key="profile_id",
    errors=(*_CALLER, e.CREDENTIALS_INVALID, e.PROFILE_NOT_FOUND, e.RATE_LIMITED),
    idempotent=True,
)
SESSION_LIST = Operation(
    name="session.list",
    service="auth",
    summary="List my sessions",
    request=ListSessions,
    query=PageQuery,
    answer=Sessions,
    result="A page of the caller's sessions.",
    key="profile_id",
    errors=_CALLER,
    reads=True,
)
SESSION_REVOKE = Operation(
    name="session.revoke",
    service="auth",
    summary="End one of my sessions",
    request=RevokeSession,
    status=204,
    result="The session has ended.",
    key="profile_id",
    errors=(*_CALLER, e.SESSION_NOT_FOUND),
)
KEYS_GET = Operation(
    name="keys.get",
    service="auth",
    callers=("gateway", "file"),
    summary="Public keys (JWKS)",
    description=(
        "The keys that access tokens are signed with (RFC 7517); a key is published before it signs. For the "
        "audience `sealing`: the X25519 keys that passwords and tokens are sealed to, the one to use first."
    ),
    request=GetKeys,
    answer=Jwks,
    result="The public keys.",
    key="audience",
    public=True,
    reads=True,
)
USER_VERIFY_TOKEN = Operation(
    name="user.verifyToken",
    service="auth",
    summary="Check an access token",
    description="For other services: the profile and the claims of a valid token.",
    request=VerifyToken,
    answer=VerifiedToken,
    result="The token's profile and claims.",
    key="token",
    errors=(e.TOKEN_INVALID, e.TOKEN_EXPIRED),
    public=True,
    reads=True,
)
PROFILES_GET = Operation(
    name="profiles.get",
    service="auth",
    callers=("server",),
    summary="Public profiles by id",
    description="For other services: names and images, at most 100 at once.",
    request=GetProfiles,
    answer=PublicProfiles,
    result="The public profiles found.",
    key="reader_id",
    public=True,
    reads=True,
)

OPERATIONS = (
    USER_SIGNUP,
    USER_SIGNIN,
    USER_REFRESH,
    USER_SIGNOUT,
    USER_GET,
    USER_UPDATE,
    USER_CHANGE_PASSWORD,
    SESSION_LIST,
    SESSION_REVOKE,
    KEYS_GET,
    USER_VERIFY_TOKEN,
    PROFILES_GET,
)
