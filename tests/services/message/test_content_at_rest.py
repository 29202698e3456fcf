"""With keys everything behaves as without, and the database does not tell what was said."""

from base64 import b64encode

import pytest
from sqlalchemy import text

from apps.message.outbound.contents import Contents, ContentUnreadable
from apps.message.outbound.hot import HotPool
from shared.kit.database import Database
from tests.services.message.conftest import outside_of
from tests.unit.message.test_changes import *  # noqa: F403
from tests.unit.message.test_history import *  # noqa: F403
from tests.unit.message.test_send import *  # noqa: F403
from tests.unit.message.world import World

OLD, NEW = (f"{name}:{b64encode(name.encode() * 8).decode()}" for name in ("old1", "new1"))


@pytest.fixture
def contents() -> Contents:
    return Contents([OLD])


async def stored(database: Database) -> list[tuple[str | None, str | None]]:
    async with database.snapshot() as session:
        rows = await session.execute(text("SELECT content, content_key FROM messages ORDER BY sequence"))
        return [(row.content, row.content_key) for row in rows]


async def test_tables_do_not_tell_what_was_said(world: World, database: Database) -> None:
    channel, ada = await world.channel(), await world.member()
    sent = await world.send(channel, ada, "a word of mine")
    await world.edit(sent, ada, "another word of mine")
    gone = await world.send(channel, ada, "a word too many")
    await world.delete(gone, ada)
    rows = await stored(database)
    assert [key for _, key in rows] == ["old1", None]
    assert rows[1][0] is None
    assert "word" not in str(rows)
    assert (await world.get(sent, ada)).content == "another word of mine"
    page = await world.history(channel, ada)
    assert [message.content for message in page.items] == ["another word of mine"]
    told = [event.data.get("content") for event in await world.events()]
    assert told[:2] == ["a word of mine", "another word of mine"], "events are meant to be read"


async def test_keys_come_change_and_go(world: World, database: Database) -> None:
    """Each stage reads what those before it wrote, as long as it has their keys."""
    channel, ada = await world.channel(), await world.member()
    pool = HotPool(database, 2)
    await pool.open()
    stages = (Contents(), Contents([OLD]), Contents([NEW, OLD]))
    written = []
    for number, contents in enumerate(stages):
        stage = World(outside_of(database, pool, contents))
        written.append(await stage.send(channel, ada, f"message {number}"))
        page = await stage.history(channel, ada)
        assert [message.content for message in reversed(page.items)] == [
            f"message {one}" for one in range(number + 1)
        ]
        await stage.queue.close()
    assert [key for _, key in await stored(database)] == [None, "old1", "new1"]
    without = World(outside_of(database, pool, Contents([NEW])))
    with pytest.raises(ContentUnreadable, match="old1"):
        await without.history(channel, ada)
    edited = await without.edit(written[2], ada, "message 2, edited")
    assert (await without.get(edited, ada)).content == "message 2, edited"
    await without.queue.close()
    await pool.close()
