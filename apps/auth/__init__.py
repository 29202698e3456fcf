"""The auth service: accounts, sessions, tokens and keys. `main` is its composition root."""
