"""Behaviour of the file service that holds on the fakes and on Postgres and S3."""
