"""The settings of the processes with a port for clients: the gateway and the file service."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from shared.kit.config.settings import ProcessSettings


class EdgeSettings(ProcessSettings, frozen=True, kw_only=True):
    """Rate limits, proxies, CORS, HTTPS, access tokens, and bounds of uploads."""

    redirects_to: ClassVar[tuple[str, ...]] = ("public_url",)
    """Settings in order of precedence: HTTPS_ONLY redirects to the first that begins with https://."""

    access_log: Annotated[bool, Meta(description="One log line for each request")] = True
    rate_limit_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Requests of a caller, all at once if need be; 0 turns all limits off, sign-in's too",
        ),
    ] = 100
    limit_callers_max: Annotated[
        int,
        Meta(ge=1000, le=10_000_000, description="Callers tracked per limit, 200 bytes each"),
    ] = 100_000
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Proxies in front, preferably single addresses such as 10.0.0.5")
    ] = ()
    proxy_header: Annotated[
        Literal["x-forwarded-for", "forwarded"],
        Meta(description="The header that these proxies write; the other one is ignored"),
    ] = "x-forwarded-for"
    cors_origins: Annotated[
        tuple[str, ...], Meta(description="Origins whose pages may call the API; * allows any")
    ] = ()
    public_url: Annotated[
        str,
        Meta(description="The gateway's public address; empty: localhost and GATEWAY_PORT"),
    ] = ""
    file_public_url: Annotated[
        str,
        Meta(description="The file service's public address; empty: localhost and FILE_PORT"),
    ] = ""
    https_only: Annotated[
        bool,
        Meta(
            description="Redirect plain-HTTP requests to PUBLIC_URL, at the file service's port to an "
            "https:// FILE_PUBLIC_URL if set; TLS ends at a trusted proxy"
        ),
    ] = False
    hsts_max_age_s: Annotated[
        int,
        Meta(
            ge=0,
            le=63_072_000,
            description="With HTTPS_ONLY: how long browsers use HTTPS only; 0: no HSTS header",
        ),
    ] = 31_536_000
    token_issuer: Annotated[str, Meta(min_length=1, description="`iss` of access tokens")] = "concord"  # noqa: S105
    token_audience: Annotated[str, Meta(min_length=1, description="`aud` of access tokens")] = "concord"  # noqa: S105
    access_token_ttl_s: Annotated[
        int, Meta(ge=1, le=86_400, description="Lifetime of access tokens; the same as auth's")
    ] = 900
    keys_refresh_s: Annotated[
        int, Meta(ge=1, le=86_400, description="Interval between fetches of the public keys")
    ] = 120
    revocations_max: Annotated[
        int, Meta(ge=1, le=100_000_000, description="Revoked sessions held in memory")
    ] = 1_000_000
    file_host: Annotated[str, Meta(min_length=1, description="Address that the file service listens on")] = (
        "127.0.0.1"
    )
    file_port: Annotated[int, Meta(ge=1, le=65535, description="Port of the file service")] = 3002
    upload_rate_min_bytes_s: Annotated[
        int,
        Meta(ge=0, le=1_048_576, description="Minimum rate of an upload; 0: none"),
    ] = 1024
    upload_rate_window_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="Period that this rate is averaged over")
    ] = 30_000

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with networks, origins, public addresses and HTTPS_ONLY."""
        yield from super().problems()
        for network in self.trusted_proxies:
            if not _is_network(network):
                yield f"TRUSTED_PROXIES must be addresses or networks like 10.0.0.0/28, not {network[:60]!r}"
        for origin in self.cors_origins:
            if origin != "*" and not is_origin(origin):
                yield f"CORS_ORIGINS must be * or origins like https://app.example.org, not {origin[:60]!r}"
        if self.public_url and not is_origin(self.public_url.rstrip("/")):
            yield "PUBLIC_URL must be like https://chat.example.org"
        if self.file_public_url and not is_origin(self.file_public_url.rstrip("/")):
            yield "FILE_PUBLIC_URL must be like https://files.example.org"
        if self.https_only and not (self.trusted_proxies and self.https_address):
            names = " or ".join(name.upper() for name in self.redirects_to)
            yield f"HTTPS_ONLY needs TRUSTED_PROXIES, where TLS ends, and a {names} that begins with https://"

    @property
    def https_address(self) -> str:
        """The target of HTTPS_ONLY without a trailing slash; empty if no setting names one."""
        addresses: list[str] = [getattr(self, name).rstrip("/") for name in self.redirects_to]
        return next((address for address in addresses if address.startswith("https://")), "")


def is_origin(text: str) -> bool:
    """Return True for a scheme, a host and an optional port, and nothing more."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and text == f"{parts.scheme}://{parts.netloc}"
    )


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
