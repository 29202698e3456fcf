"""Statements of the sign-up: nothing is looked up that the transaction has just created."""

from shared.kit.database.database import Database
from tests.support.statements import recorded
from tests.unit.auth.world import World


async def test_a_sign_up_only_inserts(postgres_world: World, database: Database) -> None:
    with recorded(database) as statements:
        await postgres_world.sign_up()
    tables = [statement.split()[2] for statement, _ in statements if statement.startswith("INSERT INTO")]
    assert tables == ["accounts", "outbox", "sessions", "refresh_tokens"]
    assert len(statements) == len(tables)
