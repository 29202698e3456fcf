"""Adapters of the ports: Postgres (`Sql…`) and other services (`Rpc…`).

Imports ports, domain, contracts and the kit, but no use case.
"""
