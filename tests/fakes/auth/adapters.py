"""Fakes of the auth service's ports, in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from apps.auth.domain.attempts import microseconds
from apps.auth.domain.keys import KeyPair
from apps.auth.domain.session import Session
from shared.contracts.account import Profile
from tests.fakes.auth.unit_of_work import MemoryUnitOfWork, Rows


class MemoryUnitOfWorkFactory:
    """`UnitOfWorkFactory`, `ProfileReader` and `ExpiredRows` in memory: one transaction at a time."""

    def __init__(self) -> None:
        self.rows = Rows()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryUnitOfWork]:
        async with self._turn:
            work = self.rows.copied()
            yield MemoryUnitOfWork(work)
            self.rows = work

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MemoryUnitOfWork]:
        yield MemoryUnitOfWork(self.rows.copied())

    async def profile(self, profile_id: UUID) -> Profile | None:
        account = self.rows.accounts.get(profile_id)
        return None if account is None else account.profile()

    async def remove_tokens(self, expired_before: datetime, limit: int) -> int:
        expired = [
            token.digest
            for token in self.rows.tokens.values()
            if token.expires_at < expired_before
            or _ended_before(self.rows.sessions[token.session_id], expired_before)
        ][:limit]
        for digest in expired:
            del self.rows.tokens[digest]
        return len(expired)

    async def remove_sessions(self, expired_before: datetime, limit: int) -> int:
        in_use = {token.session_id for token in self.rows.tokens.values()}
        expired = [
            session.id
            for session in self.rows.sessions.values()
            if session.id not in in_use
            and (session.expires_at < expired_before or _ended_before(session, expired_before))
        ][:limit]
        for session_id in expired:
            del self.rows.sessions[session_id]
        return len(expired)

    async def remove_attempts(self, expired_before: datetime, limit: int) -> int:
        before_us = microseconds(expired_before)
        expired = [key for key, tat_us in self.rows.attempts.items() if tat_us < before_us][:limit]
        for key in expired:
            del self.rows.attempts[key]
        return len(expired)


class MemoryKeys:
    """`Keys` in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, KeyPair] = {}

    async def all(self) -> list[KeyPair]:
        return sorted(self.rows.values(), key=lambda key: key.number)

    async def add(self, key: KeyPair) -> None:
        self.rows.setdefault(key.number, key)

    async def remove(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.rows.pop(number, None)


class PlainPasswords:
    """`Passwords` without slow hashes; it counts the calls."""

    def __init__(self) -> None:
        self.parameters = 1
        self.hashed = 0
        self.verified: list[str | None] = []

    async def hash(self, password: str) -> str:
        self.hashed += 1
        return f"{self.parameters}${password}"

    async def verify(self, password_hash: str | None, password: str) -> bool:
        self.verified.append(password_hash)
        return password_hash is not None and password_hash.partition("$")[2] == password

    def outdated(self, password_hash: str) -> bool:
        return password_hash.partition("$")[0] != str(self.parameters)


def _ended_before(session: Session, moment: datetime) -> bool:
    return session.ended_at is not None and session.ended_at < moment
