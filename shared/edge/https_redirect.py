"""HTTPS only, where a proxy ends TLS: who comes without it is sent there, who came by it is told to stay."""

from shared.edge.client_address.internal_hop import HEADER, InternalHop
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.problem_responses import address_of
from shared.edge.request_context import HeaderPairs, RequestContext, Response
from shared.edge.settings import EdgeSettings

_OPEN = ("/health/", "/metrics")
"""Asked by those who run Concord, past the proxy."""


class HttpsRedirect:
    """Redirects (RFC 9110, 15.4.9) and `Strict-Transport-Security` (RFC 6797).

    `internal_hop`: requests that a gateway received over HTTPS and forwards inside over plain HTTP pass.
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
        """Where to go instead, with the same method; None for who came by HTTPS.

        It leads to the public address, whatever host was asked for: that is the caller's word alone.
        """
        if self._is_secure(context) or context.scope["path"].startswith(_OPEN):
            return None
        if self._is_passed_on(context):
            return None
        query = context.scope["query_string"].decode("latin-1")
        target = f"{self._address}{address_of(context)}" + (f"?{query}" if query else "")
        return Response(308, [(b"location", target.encode("latin-1")), (b"content-length", b"0")])

    def headers_for(self, context: RequestContext) -> HeaderPairs:
        """What every answer carries; over plain HTTP a browser must not be told (RFC 6797, 7.2)."""
        return self._hsts if self._is_secure(context) else ()

    def _is_secure(self, context: RequestContext) -> bool:
        return self._proxies.scheme_of(context.scope) == "https"

    def _is_passed_on(self, context: RequestContext) -> bool:
        authorization = context.headers.get(b"authorization", b"")
        return self._internal_hop is not None and self._internal_hop.verify(
            context.headers.get(HEADER), authorization
        )


def https_of(
    settings: EdgeSettings, proxies: TrustedProxies, internal_hop: InternalHop | None = None
) -> HttpsRedirect | None:
    """As these settings say; None when plain HTTP will do."""
    if not settings.https_only:
        return None
    return HttpsRedirect(proxies, settings.https_address, settings.hsts_max_age_s, internal_hop)
