"""The gateway: HTTP in, Kafka out; starts in `main`. Imports `shared` only, never another service."""
