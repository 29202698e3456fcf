"""Settings of the auth service; each variable is the name of its field in capitals."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from msgspec import Meta

from apps.auth.domain.attempts import AttemptPolicy
from apps.auth.domain.keys import KeyPolicy, TokenTerms
from apps.auth.domain.session import SessionPolicy
from shared.kit.config.settings import ProcessSettings, Secret

_DAY_S = 24 * 60 * 60


class AuthSettings(ProcessSettings, frozen=True, kw_only=True):
    """The database, and the life of tokens, sessions and keys."""

    auth_database_url: Annotated[Secret, Meta(description="postgresql://user:password@host:port/name")]
    token_issuer: Annotated[str, Meta(min_length=1, description="`iss` of access tokens")] = "concord"  # noqa: S105
    token_audience: Annotated[str, Meta(min_length=1, description="`aud` of access tokens")] = "concord"  # noqa: S105
    access_token_ttl_s: Annotated[int, Meta(ge=1, le=_DAY_S, description="Lifetime of access tokens")] = 900
    refresh_token_ttl_s: Annotated[
        int, Meta(ge=1, le=365 * _DAY_S, description="Lifetime of refresh tokens, from issue")
    ] = 30 * _DAY_S
    sessions_max: Annotated[
        int, Meta(ge=1, le=1000, description="Sessions of a person; the least recently used one is ended")
    ] = 100
    key_rotation_s: Annotated[
        int, Meta(ge=3, le=365 * _DAY_S, description="Time for which a key signs access tokens")
    ] = 30 * _DAY_S
    key_publish_s: Annotated[
        int, Meta(ge=1, le=30 * _DAY_S, description="Time for which a key is published before it signs")
    ] = 3600
    key_overlap_s: Annotated[
        int,
        Meta(ge=2, le=30 * _DAY_S, description="Time for which a key stays published after it signed last"),
    ] = 3600
    sealing_rotation_s: Annotated[
        int,
        Meta(ge=3, le=365 * _DAY_S, description="Time for which passwords and tokens are sealed to one key"),
    ] = _DAY_S
    sealing_overlap_s: Annotated[
        int,
        Meta(
            ge=2, le=30 * _DAY_S, description="Time for which such a key opens after that; then it is deleted"
        ),
    ] = 7200
    key_refresh_s: Annotated[int, Meta(ge=1, le=3600, description="Interval between checks of the keys")] = 60
    rate_limit_per_minute: Annotated[
        int, Meta(ge=0, le=10_000_000, description="As at the gateway; 0: wrong passwords are not counted")
    ] = 100
    hash_threads: Annotated[int, Meta(ge=1, le=64, description="Passwords hashed at once, 19 MiB each")] = 2
    hash_queue_max: Annotated[
        int, Meta(ge=0, le=10_000, description="Passwords waiting to be hashed; more get mesh.busy")
    ] = 64
    sweep_s: Annotated[
        int, Meta(ge=1, le=_DAY_S, description="Interval between removals of expired rows")
    ] = 600

    def problems(self) -> Iterator[str]:
        """Yield a problem if a key does not outlive its tokens, or is not known everywhere before its use."""
        yield from super().problems()
        if self.key_overlap_s <= self.access_token_ttl_s:
            yield "KEY_OVERLAP_S must be greater than ACCESS_TOKEN_TTL_S"
        if not self.key_refresh_s < self.key_publish_s < self.key_rotation_s:
            yield "KEY_PUBLISH_S must be greater than KEY_REFRESH_S and less than KEY_ROTATION_S"
        if self.sealing_rotation_s <= self.key_publish_s:
            yield "SEALING_ROTATION_S must be greater than KEY_PUBLISH_S"
        if self.sealing_overlap_s * 1000 <= self.call_timeout_ms:
            yield "SEALING_OVERLAP_S must be longer than CALL_TIMEOUT_MS"

    def token_terms(self) -> TokenTerms:
        """Return the claims that all access tokens share."""
        return TokenTerms(
            issuer=self.token_issuer, audience=self.token_audience, ttl_s=self.access_token_ttl_s
        )

    def session_policy(self) -> SessionPolicy:
        """Return the life and the number of sessions."""
        return SessionPolicy(
            refresh_ttl=timedelta(seconds=self.refresh_token_ttl_s), sessions_max=self.sessions_max
        )

    def sealing_policy(self) -> KeyPolicy:
        """Return the rotation of sealing keys."""
        return KeyPolicy(
            rotation=timedelta(seconds=self.sealing_rotation_s),
            publish=timedelta(seconds=self.key_publish_s),
            overlap=timedelta(seconds=self.sealing_overlap_s),
        )

    def attempt_policy(self) -> AttemptPolicy:
        """Return the limits of password guessing."""
        return AttemptPolicy(on=self.rate_limit_per_minute > 0)

    def key_policy(self) -> KeyPolicy:
        """Return the rotation of signing keys."""
        return KeyPolicy(
            rotation=timedelta(seconds=self.key_rotation_s),
            publish=timedelta(seconds=self.key_publish_s),
            overlap=timedelta(seconds=self.key_overlap_s),
        )
