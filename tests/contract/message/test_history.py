"""Pages of a history, compared with a naive model."""

from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.message import Message, Messages
from tests.unit.message.world import IDS, World, ask, message_of, refused


async def written(world: World, count: int, deleted: set[int]) -> tuple[UUID, UUID, list[Message]]:
    """Return a channel, its member and its messages, some of which (by sequence) are deleted."""
    channel, ada = await world.channel(), await world.member()
    outcomes = await world.send_all([ask(channel, ada, f"message {n}") for n in range(1, count + 1)])
    messages = [message_of(outcome) for outcome in outcomes]
    for message in messages:
        if message.sequence in deleted:
            await world.delete(message, ada)
    return channel, ada, messages


def model(alive: list[int], side: str, anchor: int, limit: int) -> list[int]:
    """Return the sequences of a page as the contract describes it."""
    older = [n for n in reversed(alive) if n < anchor]
    newer = [n for n in alive if n > anchor]
    if side == "around":
        half = limit // 2
        page = newer[: limit - 1 - half] + older[:half] + [n for n in alive if n == anchor]
    else:
        page = newer[:limit] if side == "after" else older[:limit]
    return sorted(page, reverse=True)


def sequences(page: Messages) -> list[int]:
    return [message.sequence for message in page.items]


@given(
    count=st.integers(1, 12),
    deleted=st.sets(st.integers(1, 12)),
    limit=st.integers(1, 6),
    side=st.sampled_from(["before", "after", "around", "cursor"]),
    anchor=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_page_is_what_the_model_says(
    world: World, count: int, deleted: set[int], limit: int, side: str, anchor: int
) -> None:
    channel, ada, messages = await written(world, count, deleted)
    anchor = min(anchor, count)
    alive = [message.sequence for message in messages if message.sequence not in deleted]
    page = await world.history(channel, ada, limit=limit, **{side: messages[anchor - 1].id})
    expected = model(alive, side, anchor, limit)
    assert sequences(page) == expected
    oldest = messages[expected[-1] - 1] if expected and expected[-1] > min(alive) else None
    assert page.next == (str(oldest.id) if oldest else None)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
async def test_the_pages_from_the_newest_on_are_all_messages(world: World, count: int) -> None:
    channel, ada, _ = await written(world, count, {3})
    seen: list[int] = []
    bounds: dict[str, UUID] = {}
    while True:
        page = await world.history(channel, ada, limit=2, **bounds)
        seen += sequences(page)
        if page.next is None:
            break
        bounds = {"cursor": UUID(page.next)}
    assert seen == [n for n in range(count, 0, -1) if n != 3]


async def test_towards_the_present_by_the_first_of_each_page(world: World) -> None:
    channel, ada, messages = await written(world, 7, {2})
    seen: list[int] = []
    anchor = messages[0].id
    while items := (await world.history(channel, ada, limit=2, after=anchor)).items:
        seen += [message.sequence for message in reversed(items)]
        anchor = items[0].id
    assert seen == [3, 4, 5, 6, 7]


async def test_the_default_page_has_fifty(world: World) -> None:
    channel, ada, messages = await written(world, 60, set())
    page = await world.history(channel, ada)
    assert sequences(page) == list(range(60, 10, -1))
    assert page.next == str(messages[10].id)
    assert page.items[0] == messages[-1]


async def test_a_message_of_another_channel_is_no_anchor(world: World) -> None:
    channel, ada, _ = await written(world, 2, set())
    _, _, others = await written(world, 2, set())
    for side in ("before", "after", "around", "cursor"):
        for anchor in (uuid4(), others[0].id):
            assert await refused(world.history(channel, ada, **{side: anchor})) == "message.not_found"


async def test_two_bounds_are_an_error_that_names_both(world: World) -> None:
    channel, ada, messages = await written(world, 2, set())
    with pytest.raises(Exception, match=r"validation.failed") as caught:
        await world.history(channel, ada, before=messages[0].id, cursor=messages[1].id)
    assert [error.path for error in caught.value.errors] == ["before", "cursor"]


async def test_a_non_member_sees_nothing(world: World) -> None:
    channel, _, messages = await written(world, 2, set())
    eve = IDS.new()
    assert await refused(world.history(channel, eve)) == "channel.not_found"
    assert await refused(world.history(channel, eve, before=messages[1].id)) == "channel.not_found"
    assert await refused(world.history(uuid4(), eve)) == "channel.not_found"


async def test_a_new_member_reads_at_once(world: World) -> None:
    channel, _, messages = await written(world, 2, set())
    bob = IDS.new()
    world.server.join(bob)
    assert (await world.history(channel, bob)).items == messages[::-1]
    assert (await world.history(channel, bob)).items == messages[::-1]
    assert world.server.calls == 1
