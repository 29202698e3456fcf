"""Our copy of the server service's channels and members, with events in any order; and its purge."""

from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.message.domain.messages import ChannelMembership
from apps.message.usecases.purge_channels import purge_channels
from shared.contracts.event import Event
from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import ChannelAccess
from tests.unit.membership.server_service import ServerService
from tests.unit.message.world import IDS, World, ask, refused

PROFILES = (IDS.new(), IDS.new())
Fact = Event | tuple[ChannelAccess, UUID]


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    """Return the service over both kinds of adapters; encryption does not matter here."""
    world: World = request.getfixturevalue(f"{request.param}_world")
    return world


async def membership_of(world: World, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
    async with world.outside.units.snapshot() as unit:
        return await unit.membership(channel_id, profile_id)


async def apply(world: World, fact: Fact) -> None:
    if isinstance(fact, Event):
        await world.on_server_event(fact)
    else:
        await world.outside.facts.save_access(*fact)


def live(server: ServerService, steps: list[int]) -> tuple[list[UUID], list[Fact]]:
    """Return all channels that a server ever had, and its events and answers in a random history."""
    channels: list[UUID] = []
    facts: list[Fact] = []
    for step in steps:
        profile = PROFILES[step % 2]
        alive = list(server.channels)
        if server.deleted:
            break
        if step < 3 or not alive:
            channel, event = server.add_channel(ChannelType.AUDIO if step % 2 else ChannelType.TEXT)
            channels.append(channel)
            facts.append(event)
        elif step < 8:
            facts.append(server.kick(profile) if profile in server.members else server.join(profile))
        elif step < 11:
            facts.append(
                server.promote(profile, Role.ADMIN) if profile in server.members else server.join(profile)
            )
        elif step == 11:
            facts.append(server.delete_channel(alive[0]))
        elif step == 12:
            facts.append(server.rename_channel(alive[0]))
        elif step == 13 and len(facts) > 8:
            facts.append(server.delete())
        elif step > 13:
            facts.append((server.answer(alive[-1], profile), profile))
    return channels, facts


@given(steps=st.lists(st.integers(0, 18), min_size=1, max_size=25), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_the_order_and_repetition_of_facts_make_no_difference(
    world: World, steps: list[int], data: st.DataObject
) -> None:
    server = ServerService()
    channels, facts = live(server, steps)
    again = data.draw(st.lists(st.sampled_from(facts), max_size=10))
    for fact in data.draw(st.permutations([*facts, *again])):
        await apply(world, fact)
    for channel_id in channels:
        for profile_id in PROFILES:
            membership = await membership_of(world, channel_id, profile_id)
            if server.deleted:
                assert membership.channel is None or membership.channel.deleted
                continue
            assert membership.channel is not None
            assert membership.channel.deleted is (channel_id not in server.channels)
            assert membership.role == server.members.get(profile_id)
            if not membership.channel.deleted:
                assert membership.channel.type is server.channels[channel_id]


async def test_an_older_answer_does_not_beat_a_newer_event(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    answer = world.server.answer(channel, ada)
    await world.on_server_event(world.server.kick(ada))
    await world.outside.facts.save_access(answer, ada)
    assert (await membership_of(world, channel, ada)).role is None


async def test_an_older_event_does_not_beat_a_newer_answer(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    kicked = world.server.kick(ada)
    world.server.join(ada, Role.MODERATOR)
    await world.outside.facts.save_access(world.server.answer(channel, ada), ada)
    await world.on_server_event(kicked)
    assert (await membership_of(world, channel, ada)).role is Role.MODERATOR


async def test_other_events_are_ignored(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    strange = world.server.join(ada)
    strange.type = "server.painted"
    await world.on_server_event(strange)
    assert (await membership_of(world, channel, ada)).role is Role.GUEST


@pytest.mark.parametrize("whole_server", [False, True])
async def test_only_deleted_channels_and_servers_are_purged(world: World, whole_server: bool) -> None:
    other = World(world.outside)
    deleted, ada = await world.channel(), await world.member()
    other_channel, bob = await other.channel(), await other.member()
    await world.send_all([ask(deleted, ada, f"{n}") for n in range(25)])
    await other.send(other_channel, bob, "stays")
    await world.on_server_event(
        world.server.delete() if whole_server else world.server.delete_channel(deleted)
    )

    counts = [await world.outside.purge.delete_batch(10, world.outside.clock.now()) for _ in range(8)]
    assert counts[:3] == [10, 10, 5]
    assert counts[-1] == 0
    assert await purge_channels(world.outside.purge, world.outside.clock) == 0
    assert [message.content for message in (await other.history(other_channel, bob)).items] == ["stays"]
    assert (await other.send(other_channel, bob)).sequence == 2
    assert await refused(world.history(deleted, ada)) == "channel.not_found"


async def test_a_member_who_joins_after_the_purge_of_their_server_stays_out(world: World) -> None:
    channel, ada = await world.channel(), IDS.new()
    joined, deleted = world.server.join(ada), world.server.delete()
    await world.on_server_event(deleted)
    await purge_channels(world.outside.purge, world.outside.clock)
    await world.on_server_event(joined)
    assert (await membership_of(world, channel, ada)).role is None
    assert await refused(world.send(channel, ada)) == "channel.not_found"
