"""A revoked session is kept for the lifetime of its tokens, and no longer."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from shared.contracts.event import PROFILE_UPDATED, SESSION_REVOKED, Event, SessionRevoked
from shared.edge.auth.revoked_sessions import RevokedSessions

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TTL = timedelta(minutes=15)


class SetClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


def session(number: int) -> UUID:
    return UUID(int=number)


def revoked(number: int, at: datetime = NOON, kind: str = SESSION_REVOKED.name) -> bytes:
    data = SessionRevoked(session_id=session(number), profile_id=session(0))
    return msgspec.json.encode(
        Event(
            id=session(99), type=kind, occurred_at=at, revision=1, data=msgspec.Raw(msgspec.json.encode(data))
        )
    )


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def revocations(clock: SetClock) -> RevokedSessions:
    return RevokedSessions(clock, TTL, 3)


def test_applies_revocations(revocations: RevokedSessions) -> None:
    revocations.apply(revoked(1))
    assert session(1) in revocations
    assert session(2) not in revocations


def test_ignores_other_events(revocations: RevokedSessions) -> None:
    revocations.apply(revoked(1, kind=PROFILE_UPDATED.name))
    assert len(revocations) == 0


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b"[]", revoked(1).replace(b"sessionId", b"x")])
def test_invalid_records_raise(value: bytes, revocations: RevokedSessions) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        revocations.apply(value)
    assert len(revocations) == 0


def test_drops_a_session_when_its_tokens_have_expired(revocations: RevokedSessions, clock: SetClock) -> None:
    revocations.apply(revoked(1))
    clock.time = NOON + TTL
    revocations.sweep()
    assert session(1) in revocations
    clock.time = NOON + TTL + timedelta(minutes=1)
    revocations.sweep()
    assert session(1) not in revocations


def test_old_revocations_are_ignored(revocations: RevokedSessions) -> None:
    revocations.apply(revoked(1, NOON - timedelta(hours=1)))
    assert len(revocations) == 0


def test_a_publishers_clock_ahead_keeps_nothing_forever(
    revocations: RevokedSessions, clock: SetClock
) -> None:
    revocations.apply(revoked(1, NOON + timedelta(days=365)))
    clock.time = NOON + TTL + timedelta(minutes=2)
    revocations.sweep()
    assert len(revocations) == 0


def test_is_bounded_and_logs_dropped_sessions(
    revocations: RevokedSessions, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1, 5):
        revocations.apply(revoked(number))
    assert [session(number) in revocations for number in range(1, 5)] == [False, True, True, True]
    assert "REVOCATIONS_MAX" in caplog.text


def test_reads_back_further_than_the_lifetime_of_a_token(revocations: RevokedSessions) -> None:
    assert revocations.since <= NOON - TTL
