"""Argon2id in a bounded pool of threads (RFC 9106; the parameters are those of OWASP's cheat sheet)."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shared.contracts.errors import MESH_BUSY

T = TypeVar("T")

MEMORY_KIB = 19_456
ROUNDS = 2
LANES = 1


class ArgonPasswords:
    """Hashes and verifies passwords without holding up the event loop.

    `threads` work at once and `queue_max` more may wait; beyond that it is `mesh.busy`. One hash takes
    19 MiB and some 20 ms of a core.
    """

    def __init__(self, threads: int = 2, queue_max: int = 64, memory_kib: int = MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=memory_kib, parallelism=LANES)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hash")
        self._waiting = 0
        self._waiting_max = threads + queue_max
        # Nobody's password: what is verified when there is no account, so that it takes as long.
        self._dummy = self._hasher.hash(token_hex(32))

    async def hash(self, password: str) -> str:
        """A new hash with its salt and parameters, as a PHC string."""
        return await self._run(lambda: self._hasher.hash(_octets(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether they belong together; without a hash, as much work and False."""
        right = await self._run(lambda: self._matches(password_hash or self._dummy, password))
        return right and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    async def close(self) -> None:
        """Let go of the threads; what is being hashed is finished, what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _octets(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_max:
            raise MESH_BUSY.exception("Too many passwords are waiting to be checked.")
        loop = asyncio.get_running_loop()
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            raise MESH_BUSY.exception("This service is stopping.") from None
        self._waiting += 1
        # A caller who gave up frees his place only when the thread does.
        future.add_done_callback(lambda _: self._leave(loop))
        return await asyncio.wrap_future(future)

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._left)

    def _left(self) -> None:
        self._waiting -= 1


def _octets(password: str) -> bytes:
    """One spelling of a password, however a keyboard composes its characters."""
    return unicodedata.normalize("NFC", password).encode()
