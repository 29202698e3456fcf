"""Authentication by access token: `TokenVerification`, `Authenticator`. Imports `rate_limits`."""
