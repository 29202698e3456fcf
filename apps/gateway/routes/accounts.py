"""Routes of accounts, sessions and the caller's profile, served by auth."""

from apps.gateway.routes.route import Route
from shared.contracts.account import (
    SESSION_LIST,
    SESSION_REVOKE,
    USER_CHANGE_PASSWORD,
    USER_GET,
    USER_REFRESH,
    USER_SIGNIN,
    USER_SIGNOUT,
    USER_SIGNUP,
    USER_UPDATE,
)

_TAG = "Accounts"

ROUTES = (
    Route("POST", "/api/auth/signup", USER_SIGNUP, _TAG, strict=True),
    Route("POST", "/api/auth/signin", USER_SIGNIN, _TAG, strict=True),
    Route("POST", "/api/auth/refresh", USER_REFRESH, _TAG),
    Route("POST", "/api/auth/signout", USER_SIGNOUT, _TAG),
    Route("GET", "/api/auth/me", USER_GET, _TAG),
    Route("PATCH", "/api/auth/me", USER_UPDATE, _TAG),
    Route("POST", "/api/auth/password", USER_CHANGE_PASSWORD, _TAG, strict=True),
    Route("GET", "/api/auth/sessions", SESSION_LIST, _TAG),
    Route("DELETE", "/api/auth/sessions/{revokedId}", SESSION_REVOKE, _TAG),
)
