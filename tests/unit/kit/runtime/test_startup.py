"""Start-up reoutcomes transient errors and raises programming errors."""

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
async def test_a_transient_error_is_retried(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_RETRY_AFTER_S", 0)
    health, outcomes = Health(), [error, error, None]

    async def attempt() -> str:
        if (failure := outcomes.pop(0)) is not None:
            raise failure
        return "result"

    assert await retry_until_available(health.component("it"), attempt) == "result"
    assert outcomes == []


@pytest.mark.parametrize("error", [ValueError(), asyncpg.UndefinedColumnError("no such column")])
async def test_a_programming_error_is_raised(error: Exception) -> None:
    async def attempt() -> None:
        raise error

    with pytest.raises(type(error)):
        await retry_until_available(Health().component("it"), attempt)
