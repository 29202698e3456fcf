"""Concurrent requests for an invisible channel stop neither the message nor the file service."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.files import Room
from tests.e2e.people import Person

AT_ONCE = 3
ROUNDS = 60


def request_of(service: str, person: Person, channel_id: str) -> httpx.Response:
    """Send a message, or announce a file."""
    if service == "message":
        return person.send(channel_id, "hello")
    file = {"channelId": channel_id, "name": "tea.png", "size": 1, "contentType": "image/png"}
    return person.post("/api/files", json=file)


@pytest.mark.parametrize("service", ["message", "file"])
def test_strangers_are_rejected_and_members_are_served(room: Room, service: str) -> None:
    def refused(_: Any) -> str:
        code: str = request_of(service, room.eve, room.channel).json()["code"]
        return code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = set(pool.map(refused, range(AT_ONCE * ROUNDS)))
    assert codes == {"channel.not_found"}
    assert request_of(service, room.ada, room.channel).status_code == 201
