"""The ports' adapters: Postgres, the auth service, and their twins in memory."""
