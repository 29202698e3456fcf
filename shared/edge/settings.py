"""The settings that every process with a port for clients has: the gateway, and the file service."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from shared.kit.config.settings import ProcessSettings


class EdgeSettings(ProcessSettings, frozen=True, kw_only=True):
    """Who may call, how often, from which pages, over what, and how slowly a body may come."""

    redirects_to: ClassVar[tuple[str, ...]] = ("public_url",)
    """The settings of which the first that begins with https:// is where HTTPS_ONLY sends callers."""

    access_log: Annotated[bool, Meta(description="One log line for each request")] = True
    rate_limit_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Requests of a caller, as many at once; 0 turns every limit off, sign-in's too",
        ),
    ] = 100
    limit_callers_max: Annotated[
        int,
        Meta(ge=1000, le=10_000_000, description="Callers remembered for each limit, 200 bytes each"),
    ] = 100_000
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Proxies in front, best by single addresses as 10.0.0.5")
    ] = ()
    proxy_header: Annotated[
        Literal["x-forwarded-for", "forwarded"],
        Meta(description="The header that those proxies write; the other one is not read"),
    ] = "x-forwarded-for"
    cors_origins: Annotated[
        tuple[str, ...], Meta(description="Origins whose pages may call the API; * for any")
    ] = ()
    public_url: Annotated[
        str,
        Meta(description="The gateway's address that clients are told; empty: localhost and GATEWAY_PORT"),
    ] = ""
    file_public_url: Annotated[
        str,
        Meta(description="The file service's address that clients are told; empty: localhost and FILE_PORT"),
    ] = ""
    https_only: Annotated[
        bool,
        Meta(
            description="Send who comes over plain HTTP to PUBLIC_URL, at the file service's port to an "
            "https:// FILE_PUBLIC_URL if there is one; TLS ends at a trusted proxy"
        ),
    ] = False
    hsts_max_age_s: Annotated[
        int,
        Meta(
            ge=0, le=63_072_000, description="With HTTPS_ONLY: how long browsers stay with HTTPS; 0: untold"
        ),
    ] = 31_536_000
    token_issuer: Annotated[str, Meta(min_length=1, description="`iss` of access tokens")] = "concord"  # noqa: S105
    token_audience: Annotated[str, Meta(min_length=1, description="`aud` of access tokens")] = "concord"  # noqa: S105
    access_token_ttl_s: Annotated[
        int, Meta(ge=1, le=86_400, description="How long access tokens live, as auth is set")
    ] = 900
    keys_refresh_s: Annotated[
        int, Meta(ge=1, le=86_400, description="How often the public keys are fetched again")
    ] = 120
    revocations_max: Annotated[
        int, Meta(ge=1, le=100_000_000, description="Revoked sessions that are remembered")
    ] = 1_000_000
    file_host: Annotated[str, Meta(min_length=1, description="Where the file service listens for HTTP")] = (
        "127.0.0.1"
    )
    file_port: Annotated[int, Meta(ge=1, le=65535, description="The file service's port")] = 3002
    upload_rate_min_bytes_s: Annotated[
        int,
        Meta(ge=0, le=1_048_576, description="The slowest that an upload may be sent at; 0: at any rate"),
    ] = 1024
    upload_rate_window_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="The time whose average that rate is")
    ] = 30_000

    def problems(self) -> Iterator[str]:
        """Networks are networks, and origins are complete, without a path of their own."""
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
        """Where HTTPS_ONLY sends callers, without a slash at its end; empty when nothing names it."""
        named: list[str] = [getattr(self, name).rstrip("/") for name in self.redirects_to]
        return next((address for address in named if address.startswith("https://")), "")


def is_origin(text: str) -> bool:
    """Whether this is a scheme, a host and perhaps a port, and nothing more."""
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
