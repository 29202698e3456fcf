"""How many requests a caller may make: by profile with a token, by network without one.

All of it is arithmetic on what this process remembers; what other gateways let through they tell.
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

TELL_FROM_SHARE = 20
"""Other gateways learn of a caller when he took a twentieth of his limit here."""


class Policy(Generic[C]):
    """One limit with the name under which callers see it, whatever it is that they send."""

    def __init__(self, name: str, limit: int, callers_max: int, *, tells: bool) -> None:
        rate = per_minute(limit)
        tell_from = max(1, limit // TELL_FROM_SHARE) if tells else 0
        self.limiter: GcraLimiter[C] = GcraLimiter(rate, callers_max=callers_max, tell_from=tell_from)
        self._interval_us = rate.interval_us
        self._told = (b"ratelimit-policy", b'"%s";q=%d;w=60' % (name.encode(), limit))
        self._left = b'"%s";r=%%d;t=%%d' % name.encode()

    def headers(self, room_us: int) -> HeaderPairs:
        """Tell what is left, as `GcraLimiter.take` said (draft-ietf-httpapi-ratelimit-headers)."""
        if room_us < 0:
            left, more_in_s = 0, whole_seconds(-room_us)
        else:
            left, paid_us = divmod(room_us, self._interval_us)
            more_in_s = -((paid_us - self._interval_us) // SECOND_US)
        return self._told, (b"ratelimit", self._left % (left, more_in_s))


def refusal(wait_us: int) -> ServiceError:
    """What a caller is told who took too much."""
    retry_after_s = whole_seconds(wait_us)
    return RATE_LIMITED.exception(
        f"These were too many requests; the next one is let through in {retry_after_s} s.",
        retry_after_s=retry_after_s,
    )


class RateLimits:
    """All limits of an HTTP port; none with `per_minute` 0. `tells`: whether other processes are told."""

    def __init__(
        self,
        proxies: TrustedProxies,
        *,
        per_minute: int,
        callers_max: int,
        sign_ins_per_minute: int = 1,
        tells: bool = True,
    ) -> None:
        self.on = per_minute > 0
        self._proxies = proxies
        self.callers: Policy[UUID] = Policy("caller", per_minute or 1, callers_max, tells=tells)
        self.networks: Policy[str] = Policy("network", per_minute or 1, callers_max, tells=tells)
        self.sign_ins: Policy[str] = Policy("sign-in", sign_ins_per_minute, callers_max, tells=tells)

    def __len__(self) -> int:
        """How many callers are remembered, under all limits."""
        return len(self.callers.limiter) + len(self.networks.limiter) + len(self.sign_ins.limiter)

    def charge(self, profile_id: UUID, context: RequestContext) -> None:
        """Count a request with a good token. Raises `rate.limited`."""
        if self.on:
            _take(self.callers, profile_id, context)

    def charge_public(self, context: RequestContext) -> None:
        """Count a request that needs no token. Raises `rate.limited`."""
        if self.on:
            _take(self.networks, self._proxies.network_of(context), context)

    def charge_sign_in(self, context: RequestContext) -> None:
        """Count a request by which passwords could be guessed, with a token or without.

        Raises `rate.limited`.
        """
        if self.on:
            _take(self.sign_ins, self._proxies.network_of(context), context)

    @contextmanager
    def charge_provisionally(self, context: RequestContext) -> Iterator[None]:
        """While a token is checked that is not known yet, and its profile counted.

        It is counted before, because checking a signature is what a flood of tokens would use up, and given
        back when the request is let through. So a token that does not hold counts for its network, and a good
        one whose profile took too much: one token can be written in many ways, each of which is checked.
        Raises `rate.limited`.
        """
        if not self.on:
            yield
            return
        network = self._proxies.network_of(context)
        _take(self.networks, network, context)
        try:
            yield
        except ServiceError as error:
            if error.kind.status != 401 and error.kind is not RATE_LIMITED:  # it could not be checked
                self.networks.limiter.give_back(network)
            raise
        self.networks.limiter.give_back(network)


def _take(policy: Policy[C], caller: C, context: RequestContext) -> None:
    room_us = policy.limiter.take(caller)
    context.limit_headers = policy.headers(room_us)
    if room_us < 0:
        raise refusal(-room_us)
