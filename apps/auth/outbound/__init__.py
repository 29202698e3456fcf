"""Adapters of the auth service's ports: Postgres (`Sql…`), Argon2id, JWT, and HPKE keys."""
