"""Contents encrypted at rest: the tables do not reveal them, and keys can be added, rotated and removed."""

from base64 import b64encode
from hashlib import sha256

import pytest
from sqlalchemy import text

from apps.message.outbound.content_encryption import ContentUnreadable
from shared.kit.database.database import Database
from tests.contract.message.conftest import CONTENT_KEY as OLD
from tests.contract.message.conftest import MakeWorld
from tests.unit.message.world import World, ask, message_of, refused

NEW = f"new1:{b64encode(b'new1' * 8).decode()}"


async def stored(database: Database) -> list[tuple[str | None, str | None]]:
    async with database.snapshot() as session:
        rows = await session.execute(text("SELECT content, content_key FROM messages ORDER BY sequence"))
        return [(row.content, row.content_key) for row in rows]


async def fingerprints(database: Database) -> list[bytes | None]:
    async with database.snapshot() as session:
        rows = await session.scalars(text("SELECT fingerprint FROM messages ORDER BY sequence"))
        return list(rows)


async def test_tables_do_not_reveal_contents(encrypted_world: World, database: Database) -> None:
    world = encrypted_world
    channel, ada = await world.channel(), await world.member()
    sent = await world.send(channel, ada, "a word of mine")
    await world.edit(sent, ada, "another word of mine")
    deleted = await world.send(channel, ada, "a word too many")
    await world.delete(deleted, ada)
    rows = await stored(database)
    assert [key for _, key in rows] == ["old1", None]
    assert rows[1][0] is None
    assert "word" not in str(rows)
    assert (await world.get(sent, ada)).content == "another word of mine"
    page = await world.history(channel, ada)
    assert [message.content for message in page.items] == ["another word of mine"]
    published = [event.data.get("content") for event in await world.events()]
    assert published[:2] == ["a word of mine", "another word of mine"], "events are meant to be read"


async def test_a_fingerprint_does_not_reveal_the_content(encrypted_world: World, database: Database) -> None:
    """An attacker who has the tables knows the rest of the request: ids and nonce."""
    world = encrypted_world
    channel, ada = await world.channel(), await world.member()
    request = ask(channel, ada, "yes", key="k")
    message = message_of(await world.reply(request))
    (fingerprint,) = await fingerprints(database)
    assert fingerprint not in (None, sha256(request.call.body).digest())
    again = await world.reply(ask(channel, ada, "yes", key="k"))
    assert message_of(again) == message
    assert await refused(world.send(channel, ada, "no", key="k")) == "idempotency.mismatch"
    await world.delete(message, ada)
    assert await fingerprints(database) == [None]
    assert await refused(world.send(channel, ada, "yes", key="k")) == "message.not_found"


async def test_a_repeated_request_is_known_after_a_rotation_and_never_sent_twice(
    encrypted_world: World, make_world: MakeWorld, database: Database
) -> None:
    channel, ada = await encrypted_world.channel(), await encrypted_world.member()
    message = await encrypted_world.send(channel, ada, "hello", key="k")
    for keys in ([NEW, OLD], ["plain", OLD]):
        stage = await make_world(*keys)
        assert await stage.send(channel, ada, "hello", key="k") == message
        assert await refused(stage.send(channel, ada, "other", key="k")) == "idempotency.mismatch"
    rotated = await make_world(NEW, OLD)
    await rotated.edit(message, ada, "hello, edited")
    without = await make_world(NEW)
    assert await refused(without.send(channel, ada, "hello", key="k")) == "idempotency.mismatch"
    assert len(await stored(database)) == 1


async def test_keys_come_change_and_go(make_world: MakeWorld, database: Database) -> None:
    """Each stage reads what those before it wrote, as long as it has their keys."""
    first = await make_world()
    channel, ada = await first.channel(), await first.member()
    stages = ([], ["plain", OLD], [OLD], [OLD, NEW], [NEW, OLD], ["plain", NEW, OLD])
    written = []
    for number, keys in enumerate(stages):
        stage = await make_world(*keys)
        written.append(await stage.send(channel, ada, f"message {number}"))
        page = await stage.history(channel, ada)
        contents = [message.content for message in reversed(page.items)]
        assert contents == [f"message {earlier}" for earlier in range(number + 1)]
    key_ids = [None, None, "old1", "old1", "new1", None]
    assert [key for _, key in await stored(database)] == key_ids, "a rotation leaves stored contents"
    without = await make_world(NEW)
    with pytest.raises(ContentUnreadable, match="old1"):
        await without.history(channel, ada)
    edited = await without.edit(written[4], ada, "message 4, edited")
    assert (await without.get(edited, ada)).content == "message 4, edited"
    again = await make_world(NEW, OLD)
    assert (await again.get(written[2], ada)).content == "message 2", "not lost"
    edited = await again.edit(written[2], ada, "message 2, edited")
    assert [key for _, key in await stored(database)][2] == "new1"
    assert (await without.get(edited, ada)).content == "message 2, edited"
