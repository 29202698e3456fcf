"""Adapters of the ports: Postgres (`Sql…`) and other services (`Rpc…`)."""
