"""The settings of the auth service; every variable is the name of its field in capitals."""

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
    """Where the accounts are, and how long tokens and keys live."""

    auth_database_url: Annotated[Secret, Meta(description="postgresql://user:password@host:port/name")]
    token_issuer: Annotated[str, Meta(min_length=1, description="`iss` of access tokens")] = "concord"  # noqa: S105
    token_audience: Annotated[str, Meta(min_length=1, description="`aud` of access tokens")] = "concord"  # noqa: S105
    access_token_ttl_s: Annotated[int, Meta(ge=1, le=_DAY_S, description="Life of an access token")] = 900
    refresh_token_ttl_s: Annotated[
        int, Meta(ge=1, le=365 * _DAY_S, description="Life of a refresh token, from when it was given")
    ] = 30 * _DAY_S
    sessions_max: Annotated[
        int, Meta(ge=1, le=1000, description="Sessions of a person; the one used longest ago is ended")
    ] = 100
    key_rotation_s: Annotated[
        int, Meta(ge=3, le=365 * _DAY_S, description="How long a key signs access tokens")
    ] = 30 * _DAY_S
    key_publish_s: Annotated[
        int, Meta(ge=1, le=30 * _DAY_S, description="How long a key is published before it signs")
    ] = 3600
    key_overlap_s: Annotated[
        int, Meta(ge=2, le=30 * _DAY_S, description="How long a key stays published after it signed last")
    ] = 3600
    sealing_rotation_s: Annotated[
        int, Meta(ge=3, le=365 * _DAY_S, description="How long passwords and tokens are sealed to one key")
    ] = _DAY_S
    sealing_overlap_s: Annotated[
        int,
        Meta(ge=2, le=30 * _DAY_S, description="How long such a key opens after that; then it is deleted"),
    ] = 7200
    key_refresh_s: Annotated[int, Meta(ge=1, le=3600, description="How often keys are looked at")] = 60
    rate_limit_per_minute: Annotated[
        int, Meta(ge=0, le=10_000_000, description="As at the gateway; 0: wrong passwords are not counted")
    ] = 100
    hash_threads: Annotated[int, Meta(ge=1, le=64, description="Passwords hashed at once, 19 MiB each")] = 2
    hash_queue_max: Annotated[
        int, Meta(ge=0, le=10_000, description="Passwords waiting to be hashed; more are busy")
    ] = 64
    sweep_s: Annotated[int, Meta(ge=1, le=_DAY_S, description="How often what is over is removed")] = 600

    def problems(self) -> Iterator[str]:
        """A key outlives the tokens that it signed, and is known everywhere before it signs."""
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
        """What stands in every access token."""
        return TokenTerms(
            issuer=self.token_issuer, audience=self.token_audience, ttl_s=self.access_token_ttl_s
        )

    def session_policy(self) -> SessionPolicy:
        """How long sessions live and how many there may be."""
        return SessionPolicy(
            refresh_ttl=timedelta(seconds=self.refresh_token_ttl_s), sessions_max=self.sessions_max
        )

    def sealing_policy(self) -> KeyPolicy:
        """How sealing keys rotate."""
        return KeyPolicy(
            rotation=timedelta(seconds=self.sealing_rotation_s),
            publish=timedelta(seconds=self.key_publish_s),
            overlap=timedelta(seconds=self.sealing_overlap_s),
        )

    def attempt_policy(self) -> AttemptPolicy:
        """How often passwords may be guessed."""
        return AttemptPolicy(on=self.rate_limit_per_minute > 0)

    def key_policy(self) -> KeyPolicy:
        """How signing keys rotate."""
        return KeyPolicy(
            rotation=timedelta(seconds=self.key_rotation_s),
            publish=timedelta(seconds=self.key_publish_s),
            overlap=timedelta(seconds=self.key_overlap_s),
        )
