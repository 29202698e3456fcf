"""Argon2id (RFC 9106) in a bounded pool of threads, with the parameters of OWASP's cheat sheet."""

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
    """`apps.auth.ports.Passwords`: hashes and verifies passwords without blocking the event loop.

    `threads` hashes run at once and `queue_max` more may wait; beyond that the methods raise `mesh.busy`. One
    hash takes 19 MiB and about 20 ms of a core.
    """

    def __init__(self, threads: int = 2, queue_max: int = 64, memory_kib: int = MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=memory_kib, parallelism=LANES)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hash")
        self._waiting = 0
        self._waiting_max = threads + queue_max
        # Verified if the account does not exist, so that the response takes as long.
        self._dummy = self._hasher.hash(token_hex(32))

    async def hash(self, password: str) -> str:
        """Return a new hash with salt and parameters as a PHC string."""
        return await self._run(lambda: self._hasher.hash(_octets(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Return True if the password matches; without a hash, do as much work and return False."""
        is_match = await self._run(lambda: self._matches(password_hash or self._dummy, password))
        return is_match and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Return True if the hash was made with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(password_hash)

    async def close(self) -> None:
        """Shut the pool down: running hashes finish, waiting ones are cancelled."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _octets(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_max:
            raise MESH_BUSY.exception("Too many passwords are waiting to be hashed.")
        loop = asyncio.get_running_loop()
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            raise MESH_BUSY.exception("The auth service is shutting down.") from None
        self._waiting += 1
        # The slot of a cancelled call is free only when its thread has finished.
        future.add_done_callback(lambda _: self._release(loop))
        return await asyncio.wrap_future(future)

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._on_released)

    def _on_released(self) -> None:
        self._waiting -= 1


def _octets(password: str) -> bytes:
    """Return the NFC form, so that the way a keyboard composes characters does not matter."""
    return unicodedata.normalize("NFC", password).encode()
