"""The client's address behind proxies: `TrustedProxies`, `InternalHop`.

Imports `request_context` and the kit.
"""
