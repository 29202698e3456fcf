"""The rate limits of an HTTP port: by profile with a valid token, by network without one.

Charging a request is arithmetic on the memory of this process; gateways exchange their counts from time to
time.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar
from uuid import UUID

from shared.contracts.errors import RATE_LIMITED, ServiceError
from shared.contracts.gcra import SECOND_US, per_minute, whole_seconds
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.rate_limits.gcra_limiter import GcraLimiter
from shared.edge.request_context import HeaderPairs, RequestContext

C = TypeVar("C", bound=Hashable)

SHARE_FROM_FRACTION = 20
"""Other gateways learn of a caller after 1/20 of its limit was used here."""


class RateLimitPolicy(Generic[C]):
    """A limit per minute under the name that callers see in `RateLimit-Policy`."""

    def __init__(self, name: str, limit: int, callers_max: int, *, shared: bool) -> None:
        rate = per_minute(limit)
        share_from = max(1, limit // SHARE_FROM_FRACTION) if shared else 0
        self.limiter: GcraLimiter[C] = GcraLimiter(rate, callers_max=callers_max, share_from=share_from)
        self._interval_us = rate.interval_us
        self._policy_header = (b"ratelimit-policy", b'"%s";q=%d;w=60' % (name.encode(), limit))
        self._state_format = b'"%s";r=%%d;t=%%d' % name.encode()

    def charge(self, caller: C, context: RequestContext) -> None:
        """Count a request of the caller. Raises `rate.limited`."""
        remaining_us = self.limiter.take(caller)
        context.limit_headers = self._headers(remaining_us)
        if remaining_us < 0:
            raise limit_exceeded(-remaining_us)

    def _headers(self, remaining_us: int) -> HeaderPairs:
        """Return the headers that report the remaining quota (draft-ietf-httpapi-ratelimit-headers)."""
        if remaining_us < 0:
            quota, more_in_s = 0, whole_seconds(-remaining_us)
        else:
            quota, surplus_us = divmod(remaining_us, self._interval_us)
            more_in_s = -((surplus_us - self._interval_us) // SECOND_US)
        return self._policy_header, (b"ratelimit", self._state_format % (quota, more_in_s))


def limit_exceeded(wait_us: int) -> ServiceError:
    """Return the 429 error for a caller over the limit."""
    retry_after_s = whole_seconds(wait_us)
    return RATE_LIMITED.exception(
        f"Too many requests; the next one is accepted in {retry_after_s} s.",
        retry_after_s=retry_after_s,
    )


class RateLimits:
    """All limits of an HTTP port; `per_minute` 0 turns them off. `shared`: gateways exchange their counts."""

    def __init__(
        self,
        proxies: TrustedProxies,
        *,
        per_minute: int,
        callers_max: int,
        sign_ins_per_minute: int = 1,
        shared: bool = True,
    ) -> None:
        self.on = per_minute > 0
        self._proxies = proxies
        limit = per_minute or 1
        self.callers: RateLimitPolicy[UUID] = RateLimitPolicy("caller", limit, callers_max, shared=shared)
        self.networks: RateLimitPolicy[str] = RateLimitPolicy("network", limit, callers_max, shared=shared)
        self.sign_ins: RateLimitPolicy[str] = RateLimitPolicy(
            "sign-in", sign_ins_per_minute, callers_max, shared=shared
        )

    def __len__(self) -> int:
        """Return the number of callers that are tracked, under all limits."""
        return len(self.callers.limiter) + len(self.networks.limiter) + len(self.sign_ins.limiter)

    def charge(self, profile_id: UUID, context: RequestContext) -> None:
        """Count a request with a valid token. Raises `rate.limited`."""
        if self.on:
            self.callers.charge(profile_id, context)

    def charge_public(self, context: RequestContext) -> None:
        """Count a request that needs no token. Raises `rate.limited`."""
        if self.on:
            self.networks.charge(self._proxies.network_of(context), context)

    def charge_sign_in(self, context: RequestContext) -> None:
        """Count a request that could be used to guess passwords, with a token or without.

        Raises `rate.limited`.
        """
        if self.on:
            self.sign_ins.charge(self._proxies.network_of(context), context)

    @contextmanager
    def charge_provisionally(self, context: RequestContext) -> Iterator[None]:
        """Count a request for its network while its token is verified and its profile charged.

        The network is charged first, because verifying signatures is what a flood of tokens would exhaust,
        and the charge is given back if the block succeeds. So an invalid token counts for its network, and so
        does a valid one of a profile over its limit: one token can be spelled in many ways, and each spelling
        has to be verified. Raises `rate.limited`.
        """
        if not self.on:
            yield
            return
        network = self._proxies.network_of(context)
        self.networks.charge(network, context)
        try:
            yield
        except ServiceError as error:
            if error.code.status != 401 and error.code is not RATE_LIMITED:  # the token was not verified
                self.networks.limiter.give_back(network)
            raise
        self.networks.limiter.give_back(network)
