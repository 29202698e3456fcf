"""Adapters of the membership ports: `SqlMembershipStore`, `RpcMembershipDirectory`.

Imports ports and the kit.
"""
