"""Redirect plain-HTTP requests to HTTPS, and send HSTS on HTTPS responses. TLS ends at a trusted proxy."""

from shared.edge.client_address.internal_hop import HEADER, InternalHop
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.problem_responses import address_of
from shared.edge.request_context import HeaderPairs, RequestContext, Response
from shared.edge.settings import EdgeSettings

_EXEMPT = ("/health/", "/metrics")
"""Paths that operators request directly, not through the proxy."""


class HttpsRedirect:
    """Redirects (308; RFC 9110, 15.4.9) and `Strict-Transport-Security` (RFC 6797).

    With `internal_hop`, requests that a gateway received over HTTPS and forwards over plain HTTP are exempt.
    """

    def __init__(
        self,
        proxies: TrustedProxies,
        address: str,
        hsts_max_age_s: int,
        internal_hop: InternalHop | None = None,
    ) -> None:
        self._proxies = proxies
        self._internal_hop = internal_hop
        self._address = address
        self._hsts: HeaderPairs = ()
        if hsts_max_age_s:
            self._hsts = ((b"strict-transport-security", b"max-age=%d" % hsts_max_age_s),)

    def redirect(self, context: RequestContext) -> Response | None:
        """Return the redirect of a plain-HTTP request, which keeps its method; None if none is needed.

        The target is the public address, never the `Host` of the request, which the caller can choose.
        """
        if self._is_secure(context) or context.scope["path"].startswith(_EXEMPT):
            return None
        if self._is_forwarded(context):
            return None
        query = context.scope["query_string"].decode("latin-1")
        target = f"{self._address}{address_of(context)}" + (f"?{query}" if query else "")
        return Response(308, [(b"location", target.encode("latin-1")), (b"content-length", b"0")])

    def headers_for(self, context: RequestContext) -> HeaderPairs:
        """Return the HSTS header; over plain HTTP it must not be sent (RFC 6797, 7.2)."""
        return self._hsts if self._is_secure(context) else ()

    def _is_secure(self, context: RequestContext) -> bool:
        return self._proxies.scheme_of(context.scope) == "https"

    def _is_forwarded(self, context: RequestContext) -> bool:
        authorization = context.headers.get(b"authorization", b"")
        return self._internal_hop is not None and self._internal_hop.verify(
            context.headers.get(HEADER), authorization
        )


def https_of(
    settings: EdgeSettings, proxies: TrustedProxies, internal_hop: InternalHop | None = None
) -> HttpsRedirect | None:
    """Return the redirect with these settings; None if plain HTTP is allowed."""
    if not settings.https_only:
        return None
    return HttpsRedirect(proxies, settings.https_address, settings.hsts_max_age_s, internal_hop)
