"""Embedded Kafka, Postgres and S3: `EmbeddedInfrastructure` starts them. Imports config and processes."""
