"""Projection of the server service's events into the local copy of channels and members."""

import msgspec

from shared.contracts import event as events
from shared.contracts.clock import Clock
from shared.contracts.event import ChannelDeleted, Event, MemberFact, MemberLeft, ServerDeleted
from shared.contracts.server import Channel
from shared.membership.ports import MembershipStore


async def apply_event(event: Event, store: MembershipStore, clock: Clock) -> None:
    """Apply an event of the server service; ignore events that do not concern channels or members.

    Events may arrive twice, late or out of order: the fact with the higher revision wins, and a deleted
    channel or server stays deleted.
    """
    if event.type in (events.CHANNEL_CREATED.name, events.CHANNEL_UPDATED.name):
        channel = msgspec.json.decode(event.data, type=Channel)
        await store.save_channel(channel.id, channel.server_id, channel.type, event.revision)
    elif event.type == events.CHANNEL_DELETED.name:
        deleted = msgspec.json.decode(event.data, type=ChannelDeleted)
        await store.mark_channel_deleted(deleted.id, deleted.server_id, event.revision, clock.now())
    elif event.type in (events.MEMBER_JOINED.name, events.MEMBER_UPDATED.name):
        member = msgspec.json.decode(event.data, type=MemberFact)
        await store.save_member(member.server_id, member.profile_id, member.role, event.revision)
    elif event.type == events.MEMBER_LEFT.name:
        left = msgspec.json.decode(event.data, type=MemberLeft)
        await store.save_member(left.server_id, left.profile_id, None, event.revision)
    elif event.type == events.SERVER_DELETED.name:
        server = msgspec.json.decode(event.data, type=ServerDeleted)
        await store.mark_server_deleted(server.id, event.revision, clock.now())
