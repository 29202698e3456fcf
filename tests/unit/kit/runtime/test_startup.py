"""What passes by itself is waited for while a process starts; a fault of the program is not."""

import asyncpg
import pytest
from sqlalchemy.exc import ProgrammingError

from shared.contracts.errors import MESH_BUSY
from shared.kit.health.checks import Health
from shared.kit.runtime import startup
from shared.kit.runtime.startup import retry_until_available

NO_TABLE = asyncpg.UndefinedTableError('relation "signing_keys" does not exist')


@pytest.mark.parametrize(
    "error",
    [
        OSError(),
        TimeoutError(),
        MESH_BUSY.exception("away"),
        NO_TABLE,
        ProgrammingError("SELECT", {}, NO_TABLE),
    ],
)
async def test_it_is_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_RETRY_AFTER_S", 0)
    health, tries = Health(), [error, error, None]

    async def attempt() -> str:
        if (fault := tries.pop(0)) is not None:
            raise fault
        return "there"

    assert await retry_until_available(health.part("it"), attempt) == "there"
    assert tries == []


@pytest.mark.parametrize("error", [ValueError(), asyncpg.UndefinedColumnError("no such column")])
async def test_a_fault_is_raised(error: Exception) -> None:
    async def attempt() -> None:
        raise error

    with pytest.raises(type(error)):
        await retry_until_available(Health().part("it"), attempt)
