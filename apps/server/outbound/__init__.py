"""Adapters of the server service's ports: Postgres (`Sql…`) and the auth service (`RpcAccounts`)."""
