"""The people, servers and channels that the load uses: made before, taken away after, counted in between."""

import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from msgspec import Struct

from bench.api import Api
from bench.job import Target

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 8
SEEDS = 60
"""Messages in each channel before anything is measured: more than a page of its history."""


class Sizes(Struct, frozen=True):
    """The size of the stage; every server has the same number of members and channels."""

    people: int = 20
    servers: int = 4
    channels: int = 5
    members: int = 5


class Stage:
    """The senders and their channels. `targets` holds every channel with each of its members."""

    def __init__(self, api: Api, sizes: Sizes) -> None:
        self.targets: list[Target] = []
        self.channels: dict[str, str] = {}
        """Each channel's id, and the token of one who may read it."""
        self.api = api
        self._sizes = sizes
        self._tokens: list[str] = []
        self._servers: list[tuple[str, str]] = []

    def build(self) -> None:
        """Sign up, create, join, and write the first messages. Raises ApiError or OSError."""
        self._tokens = at_once(self._sign_up, range(self._sizes.people))
        for number in range(self._sizes.servers):
            self._add_server(number)
        at_once(self._seed, [channel for channel in self.channels for _ in range(SEEDS)])

    def clear(self) -> None:
        """Delete the servers with all that is in them, and sign out. Accounts stay: nobody can delete one."""
        for server_id, token in self._servers:
            self.api.call("DELETE", f"/api/servers/{server_id}", token=token)
        for token in self._tokens:
            self.api.call("POST", "/api/auth/signout", token=token)

    def limit(self) -> str:
        """Return the limit of a caller, from the headers of its answers."""
        return self.api.limit("/api/auth/me", self._tokens[0])

    def stored(self) -> int:
        """Count the messages of all channels by reading them. Raise ValueError if one is missing."""
        return sum(at_once(self._count, list(self.channels)))

    def _sign_up(self, _: int) -> str:
        name = f"bench-{secrets.token_hex(6)}"
        body = {"name": name, "email": f"{name}@example.org", "password": secrets.token_urlsafe(16)}
        token: str = self.api.call("POST", "/api/auth/signup", body=body)["accessToken"]
        return token

    def _add_server(self, number: int) -> None:
        start = number * self._sizes.members
        tokens = [self._tokens[(start + n) % len(self._tokens)] for n in range(self._sizes.members)]
        server = self.api.call("POST", "/api/servers", token=tokens[0], body={"name": f"Bench {number}"})
        self._servers.append((server["id"], tokens[0]))
        for token in tokens[1:]:
            self.api.call("POST", f"/api/invites/{server['inviteCode']}", token=token)
        for channel in range(self._sizes.channels):
            body = {"name": f"c{channel}", "type": "TEXT"}
            made = self.api.call("POST", f"/api/servers/{server['id']}/channels", token=tokens[0], body=body)
            self.channels[made["id"]] = tokens[0]
            self.targets.extend(Target(made["id"], token) for token in tokens)

    def _seed(self, channel_id: str) -> None:
        body = {"content": "Something to read.", "nonce": secrets.token_hex(8)}
        path = f"/api/channels/{channel_id}/messages"
        self.api.call("POST", path, token=self.channels[channel_id], body=body)

    def _count(self, channel_id: str) -> int:
        sequences: list[int] = []
        bound: str | None = ""
        while bound is not None:
            page = self._page(channel_id, bound)
            sequences.extend(message["sequence"] for message in page["items"])
            bound = page["next"]
        if sequences != list(range(len(sequences), 0, -1)):
            raise ValueError(f"the sequence of channel {channel_id} has gaps or repeats")
        return len(sequences)

    def _page(self, channel_id: str, bound: str) -> Any:
        before = f"&before={bound}" if bound else ""
        path = f"/api/channels/{channel_id}/messages?limit=100{before}"
        return self.api.call("GET", path, token=self.channels[channel_id])


def at_once(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do the work for all items, some at once; raises the first error."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, items))
