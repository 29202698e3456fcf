"""Argon2id: parameters, the pool's bound, and what a missing account costs."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from apps.auth.outbound.passwords import ArgonPasswords
from shared.contracts.errors import MESH_BUSY
from tests.unit.auth.world import error_of


@pytest.fixture
async def passwords() -> AsyncIterator[ArgonPasswords]:
    quick = ArgonPasswords(threads=1, queue_max=2, memory_kib=64)
    yield quick
    await quick.close()


async def test_the_parameters_are_those_of_the_contract() -> None:
    passwords = ArgonPasswords()
    parameters = extract_parameters(await passwords.hash("correct horse battery"))
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19 * 1024, 2, 1)
    await passwords.close()


async def test_a_password_is_known_again(passwords: ArgonPasswords) -> None:
    stored = await passwords.hash("correct horse\0battery")
    assert await passwords.verify(stored, "correct horse\0battery")
    assert not await passwords.verify(stored, "correct horse\0")
    assert not await passwords.verify(stored, "Correct horse\0battery")
    assert stored != await passwords.hash("correct horse\0battery")


async def test_letters_may_be_composed_in_either_way(passwords: ArgonPasswords) -> None:
    assert await passwords.verify(await passwords.hash("zo\u00eb zo\u00eb"), "zoe\u0308 zoe\u0308")


async def test_a_hash_that_is_none_matches_nothing(passwords: ArgonPasswords) -> None:
    assert not await passwords.verify("garbage", "password")
    assert not await passwords.verify("", "password")


async def test_without_an_account_another_hash_of_the_same_cost_is_verified(
    passwords: ArgonPasswords, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    verify = PasswordHasher.verify

    def spy(self: PasswordHasher, password_hash: str, password: bytes) -> bool:
        verified.append(password_hash)
        return verify(self, password_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", spy)
    stored = await passwords.hash("correct horse battery")
    assert not await passwords.verify(stored, "wrong")
    assert not await passwords.verify(None, "wrong")
    known, unknown = verified
    assert known == stored != unknown
    assert extract_parameters(known) == extract_parameters(unknown)


async def test_a_hash_with_other_parameters_is_outdated(passwords: ArgonPasswords) -> None:
    stored = await passwords.hash("correct horse battery")
    stronger = ArgonPasswords(memory_kib=128)
    assert stronger.outdated(stored) and not passwords.outdated(stored)
    assert await stronger.verify(stored, "correct horse battery")
    await stronger.close()


async def test_too_many_at_once_are_busy_and_nothing_blocks(
    passwords: ArgonPasswords, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(PasswordHasher, "hash", lambda self, password: gate.wait(10) and "hash")
    waiting = [asyncio.create_task(passwords.hash("password")) for _ in range(3)]
    await asyncio.sleep(0)
    assert await error_of(passwords.hash("password")) is MESH_BUSY
    gate.set()
    assert await asyncio.gather(*waiting) == ["hash"] * 3
    await asyncio.sleep(0.01)
    assert await passwords.hash("password") == "hash"


async def test_who_gives_up_waiting_frees_his_place(
    passwords: ArgonPasswords, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(PasswordHasher, "hash", lambda self, password: gate.wait(10) and "hash")
    waiting = [asyncio.create_task(passwords.hash("password")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    waiting[2].cancel()
    await asyncio.gather(*waiting[1:], return_exceptions=True)
    await asyncio.sleep(0.01)
    more = asyncio.create_task(passwords.hash("password"))
    await asyncio.sleep(0)
    gate.set()
    assert list(await asyncio.gather(waiting[0], more)) == ["hash", "hash"]


async def test_after_closing_it_is_busy(passwords: ArgonPasswords) -> None:
    await passwords.close()
    assert await error_of(passwords.hash("password")) is MESH_BUSY
