"""Keep our copy of the server service's channels and members up to date."""

import msgspec

from shared.contracts import event as events
from shared.contracts.clock import Clock
from shared.contracts.event import ChannelDeleted, Event, MemberFact, MemberLeft, ServerDeleted
from shared.contracts.server import Channel
from shared.membership.ports import MembershipStore


async def apply_event(event: Event, facts: MembershipStore, clock: Clock) -> None:
    """Take in an event of the server service; what does not concern members is let pass.

    Any event may come again, late, or before an older one: of two facts about the same thing the one with
    the higher revision stays, and a deleted channel or server stays deleted.
    """
    if event.type in (events.CHANNEL_CREATED.name, events.CHANNEL_UPDATED.name):
        channel = msgspec.json.decode(event.data, type=Channel)
        await facts.channel(channel.id, channel.server_id, channel.type, event.revision)
    elif event.type == events.CHANNEL_DELETED.name:
        gone = msgspec.json.decode(event.data, type=ChannelDeleted)
        await facts.channel_gone(gone.id, gone.server_id, event.revision, clock.now())
    elif event.type in (events.MEMBER_JOINED.name, events.MEMBER_UPDATED.name):
        member = msgspec.json.decode(event.data, type=MemberFact)
        await facts.member(member.server_id, member.profile_id, member.role, event.revision)
    elif event.type == events.MEMBER_LEFT.name:
        left = msgspec.json.decode(event.data, type=MemberLeft)
        await facts.member(left.server_id, left.profile_id, None, event.revision)
    elif event.type == events.SERVER_DELETED.name:
        server = msgspec.json.decode(event.data, type=ServerDeleted)
        await facts.server_gone(server.id, event.revision, clock.now())
