"""Authentication by token: `TokenVerification`, `Authenticator`.

Imports `rate_limits`, the layers below, the kit.
"""
