"""The scene: users, servers and channels, created over the public API."""

import secrets
from collections.abc import Sequence

from msgspec import Struct

from bench.api import Api
from bench.durability.http import Line
from bench.durability.sender import Sender, Watch
from bench.durability.steward import Steward, Thing

SERVERS = 4
CHANNELS = 4
"""Of each server."""
PEOPLE = 8


class Scene(Struct, frozen=True):
    """The channels, each with the token of a member; senders, spread over them; and who changes the rest."""

    readers: dict[str, str]
    senders: list[Sender]
    steward: Steward


def set_scene(api: Api, gateway_ports: Sequence[int], count: int, watch: Watch) -> Scene:
    """Create accounts and servers; add every account to every server."""
    tokens = [_sign_up(api, number) for number in range(PEOPLE)]
    readers: dict[str, str] = {}
    things = [Thing("/api/auth/me", token) for token in tokens]
    for number in range(SERVERS):
        owner = tokens[number]
        server = api.call("POST", "/api/servers", token=owner, body={"name": f"Engine {number}"})
        things.append(Thing(f"/api/servers/{server['id']}", owner))
        for token in tokens:
            if token != owner:
                api.call("POST", f"/api/invites/{server['inviteCode']}", token=token)
        for channel in range(CHANNELS):
            body = {"name": f"c{channel}", "type": "TEXT"}
            made = api.call("POST", f"/api/servers/{server['id']}/channels", token=owner, body=body)
            readers[made["id"]] = owner
    channels, run = list(readers), secrets.token_hex(4)
    senders = [
        Sender(
            f"{run}-{number}",
            channels[number % len(channels)],
            # Not the same person for each sender of a channel: people and channels have periods of their own.
            tokens[(number + number // len(channels)) % len(tokens)],
            Line(gateway_ports, number),
            watch,
        )
        for number in range(count)
    ]
    return Scene(readers, senders, Steward(things, Line(gateway_ports), watch))


def _sign_up(api: Api, number: int) -> str:
    name = f"sender-{number}-{secrets.token_hex(4)}"
    body = {"name": name, "email": f"{name}@example.org", "password": secrets.token_urlsafe(16)}
    token: str = api.call("POST", "/api/auth/signup", body=body)["accessToken"]
    return token
