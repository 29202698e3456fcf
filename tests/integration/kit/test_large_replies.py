"""Replies as large as the largest pages there are: a hundred messages of control characters, for one."""

from uuid import uuid4

import msgspec

from shared.contracts.account import USER_GET, GetProfile
from shared.kit.clock import now_ms
from shared.kit.wire.call import Call, Reply
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    running_client,
    running_service,
    settings_for,
)

LARGEST_PAGE_BYTES = 2_500_000
"""Of servers: 100 images of 2048 control characters, and 700 channels with such names."""


async def test_a_reply_larger_than_a_record_by_default_arrives(kafka_bootstrap: str) -> None:
    await make_request_topics(kafka_bootstrap, "auth")
    body = b'{"id": "' + b"\\u0001" * (LARGEST_PAGE_BYTES // 6) + b'"}'

    async def large(request: GetProfile, call: Call) -> Reply:
        return Reply(200, body)

    async def unexpected(request: object, call: Call) -> None:
        raise AssertionError(f"{call.operation.name} was not to be called")

    handlers = answering_all("auth", unexpected)
    handlers.single[USER_GET.name] = large
    settings = settings_for(kafka_bootstrap)
    async with running_service(settings, handlers), running_client(settings) as client:
        reply = await client.call_raw(
            USER_GET,
            msgspec.json.encode(GetProfile(profile_id=uuid4())),
            b"k",
            correlation_id="c",
            deadline_ms=now_ms() + 10_000,
        )
    assert reply.body == body
