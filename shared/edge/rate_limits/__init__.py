"""Rate limits: `RateLimits` over `GcraLimiter`. Imports `client_address` and `request_context`."""
