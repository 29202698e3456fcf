"""With keys everything behaves as without, and the database does not tell what was said."""

from base64 import b64encode
from hashlib import sha256

import pytest
from sqlalchemy import text

from apps.message.outbound.content_encryption import ContentEncryption, ContentUnreadable
from apps.message.outbound.pool import ConnectionPool
from shared.kit.database.database import Database
from tests.contract.message.conftest import outside_of
from tests.unit.message.test_changes import *  # noqa: F403
from tests.unit.message.test_history import *  # noqa: F403
from tests.unit.message.test_send import *  # noqa: F403
from tests.unit.message.world import World, ask, message_of, refused

OLD, NEW = (f"{name}:{b64encode(name.encode() * 8).decode()}" for name in ("old1", "new1"))


@pytest.fixture
def contents() -> ContentEncryption:
    return ContentEncryption([OLD])


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


async def prints(database: Database) -> list[bytes | None]:
    async with database.snapshot() as session:
        rows = await session.execute(text("SELECT fingerprint FROM messages ORDER BY sequence"))
        return [row.fingerprint for row in rows]


async def test_nobody_guesses_a_content_by_its_fingerprint(world: World, database: Database) -> None:
    """Who has the tables knows the rest of the request: ids and nonce."""
    channel, ada = await world.channel(), await world.member()
    asked = ask(channel, ada, "yes", key="k")
    message = message_of(await world.reply(asked))
    (stored_print,) = await prints(database)
    assert stored_print not in (None, sha256(asked.call.body).digest())
    again = await world.reply(ask(channel, ada, "yes", key="k"))
    assert message_of(again) == message
    assert await refused(world.send(channel, ada, "no", key="k")) == "idempotency.mismatch"
    await world.delete(message, ada)
    assert await prints(database) == [None]
    assert await refused(world.send(channel, ada, "yes", key="k")) == "message.not_found"


async def test_a_repeated_request_is_known_after_a_rotation_and_never_sent_twice(
    world: World, database: Database
) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada, "hello", key="k")
    pool = ConnectionPool(database, 2)
    await pool.open()
    for keys in ([NEW, OLD], ["plain", OLD]):
        stage = World(outside_of(database, pool, ContentEncryption(keys)))
        assert await stage.send(channel, ada, "hello", key="k") == message
        assert await refused(stage.send(channel, ada, "other", key="k")) == "idempotency.mismatch"
        await stage.queue.close()
    rotated = World(outside_of(database, pool, ContentEncryption([NEW, OLD])))
    await rotated.edit(message, ada, "hello, edited")
    without = World(outside_of(database, pool, ContentEncryption([NEW])))
    assert await refused(without.send(channel, ada, "hello", key="k")) == "idempotency.mismatch"
    assert len(await stored(database)) == 1
    for one in (rotated, without):
        await one.queue.close()
    await pool.close()


async def test_keys_come_change_and_go(world: World, database: Database) -> None:
    """Each stage reads what those before it wrote, as long as it has their keys."""
    channel, ada = await world.channel(), await world.member()
    pool = ConnectionPool(database, 2)
    await pool.open()
    stages = [
        ContentEncryption(keys)
        for keys in ([], ["plain", OLD], [OLD], [OLD, NEW], [NEW, OLD], ["plain", NEW, OLD])
    ]
    written = []
    for number, contents in enumerate(stages):
        stage = World(outside_of(database, pool, contents))
        written.append(await stage.send(channel, ada, f"message {number}"))
        page = await stage.history(channel, ada)
        assert [message.content for message in reversed(page.items)] == [
            f"message {one}" for one in range(number + 1)
        ]
        await stage.queue.close()
    wrote = [None, None, "old1", "old1", "new1", None]
    assert [key for _, key in await stored(database)] == wrote, "nothing is encrypted anew"
    without = World(outside_of(database, pool, ContentEncryption([NEW])))
    with pytest.raises(ContentUnreadable, match="old1"):
        await without.history(channel, ada)
    edited = await without.edit(written[4], ada, "message 4, edited")
    assert (await without.get(edited, ada)).content == "message 4, edited"
    again = World(outside_of(database, pool, ContentEncryption([NEW, OLD])))
    assert (await again.get(written[2], ada)).content == "message 2", "not lost"
    edited = await again.edit(written[2], ada, "message 2, edited")
    assert [key for _, key in await stored(database)][2] == "new1"
    assert (await without.get(edited, ada)).content == "message 2, edited"
    for one in (without, again):
        await one.queue.close()
    await pool.close()
