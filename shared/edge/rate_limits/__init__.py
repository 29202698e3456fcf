"""Rate limits: `RateLimits` over `GcraLimiter`.

Imports `client_address`, `request_context`, the kit, contracts.
"""
