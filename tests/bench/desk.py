"""A tiny stand-in for a Concord: keeps messages, answers what the bench asks, in a thread of its own."""

import asyncio
import itertools
import json
import re
import threading
from typing import Any

_REQUEST = re.compile(rb"^(\w+) (\S+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Desk:
    """`with Desk() as desk:` serves at `desk.port`. `refuse_every` n answers each nth send with 503."""

    def __init__(self, *, refuse_every: int = 0, forget_every: int = 0, limit: str = "") -> None:
        self.messages: dict[str, dict[str, int]] = {}
        self.deleted: list[str] = []
        self.signed_out = 0
        self._head = f"RateLimit-Policy: {limit}\r\n" if limit else ""
        self._refuse_every = refuse_every
        self._forget_every = forget_every
        self._ids = itertools.count(1)
        self._sends = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Desk":
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(5)

    def _serve(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._talk, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    def _end(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_soon(self._loop.stop)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                request = _REQUEST.match(head)
                assert request
                status, answer = self.answer(request[1].decode(), request[2].decode(), body)
                raw = b"" if answer is None else json.dumps(answer).encode()
                told = f"HTTP/1.1 {status} X\r\n{self._head}Content-Length: {len(raw)}\r\n\r\n"
                writer.write(told.encode() + raw)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        parts = path.partition("?")[0].split("/")[2:]
        match method, parts:
            case "POST", ["auth", "signup"]:
                return 201, {"accessToken": f"token-{next(self._ids)}"}
            case "POST", ["auth", "signout"]:
                self.signed_out += 1
                return 204, None
            case "GET", ["auth", "me"]:
                return 200, {"id": "me"}
            case "POST", ["servers"]:
                return 201, {"id": f"s{next(self._ids)}", "inviteCode": "code"}
            case "POST", ["invites", _]:
                return 200, {}
            case "POST", ["servers", _, "channels"]:
                channel = f"c{next(self._ids)}"
                self.messages[channel] = {}
                return 201, {"id": channel}
            case "DELETE", ["servers", server]:
                self.deleted.append(server)
                return 204, None
            case "POST", ["channels", channel, "messages"]:
                return self._send(channel, json.loads(body))
            case "GET", ["channels", channel, "messages"]:
                return 200, self._page(channel, path)
        return 404, {}

    def _send(self, channel: str, body: dict[str, Any]) -> tuple[int, Any]:
        number = next(self._sends)
        if self._refuse_every and number % self._refuse_every == 0:
            return 503, {"code": "mesh.busy"}
        if self._forget_every and number % self._forget_every == 0:
            return 201, {}
        known = self.messages[channel]
        status = 200 if body["nonce"] in known else 201
        known.setdefault(body["nonce"], len(known) + 1)
        return status, {"sequence": known[body["nonce"]]}

    def _page(self, channel: str, path: str) -> dict[str, Any]:
        before = re.search(r"before=(\d+)", path)
        top = int(before[1]) - 1 if before else len(self.messages[channel])
        items = [{"sequence": sequence} for sequence in range(top, max(0, top - 100), -1)]
        more = items and items[-1]["sequence"] > 1
        return {"items": items, "next": str(items[-1]["sequence"]) if more else None}
