"""Adapters of the membership ports: `SqlMembershipStore` and `RpcMembershipDirectory`."""
