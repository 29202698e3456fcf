"""Authentication by access token: `TokenVerification` and its `Authenticator`. Imports the other edge packages."""
