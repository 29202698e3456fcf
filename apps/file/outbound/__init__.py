"""Adapters that implement the ports: Postgres, S3Storage, ProcessRenderer. Imports kit, no use cases."""
