"""A sender repeats one message, always the same, through whichever gateway answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest

from bench.durability import sender as sender_module
from bench.durability.http import NO_ANSWER, Line
from bench.durability.ledger import content_of
from bench.durability.sender import Sender, Watch

Answer = Callable[[bytes], bytes]


class Gateway:
    """Answers with the given responses; None hangs up."""

    def __init__(self, *answers: bytes | None) -> None:
        self.bodies: list[dict[str, str]] = []
        self._answers = list(answers)
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                self.bodies.append(json.loads(await reader.readexactly(length) or b"{}"))
                answer = self._answers.pop(0) if self._answers else None
                if answer is None:
                    break
                writer.write(answer)
        except (EOFError, ConnectionError):
            pass
        writer.close()


def answer(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def created(sequence: int) -> bytes:
    return answer(201, json.dumps({"id": f"id-{sequence}", "sequence": sequence, "more": 1}).encode())


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., object]]:
    started: list[Gateway] = []

    async def make(*answers: bytes | None) -> Gateway:
        gateway = Gateway(*answers)
        await gateway.start()
        started.append(gateway)
        return gateway

    yield make
    for gateway in started:
        await gateway.stop()


async def test_a_line_turns_to_the_next_gateway_when_one_is_away(start: Callable[..., object]) -> None:
    one, two = await start(None), await start(answer(200, b"hello"), answer(204))  # type: ignore[misc]
    line = Line([one.port, two.port])
    assert await line.ask("GET", "/", "token") == (NO_ANSWER, b"")
    assert await line.ask("GET", "/", "token") == (200, b"hello")
    assert await line.ask("GET", "/", "token") == (204, b"")
    await two.stop()
    await line.close()


async def test_an_answer_that_breaks_off_is_none(start: Callable[..., object]) -> None:
    cut = await start(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{}", None)  # type: ignore[misc]
    line = Line([cut.port])
    asking = asyncio.create_task(line.ask("POST", "/", "token", b"{}"))
    await asyncio.sleep(0.05)
    assert not asking.done(), "the rest may still come"
    await line.close()
    assert await asking == (NO_ANSWER, b"")


async def test_each_message_is_repeated_with_its_nonce_until_it_is_acknowledged(
    start: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "_PAUSE_S", 0.001)
    one = await start(created(1), None, answer(200, b'{"id": "id-2", "sequence": 2}'), created(3))  # type: ignore[misc]
    two = await start(answer(503, b"{}"))  # type: ignore[misc]
    watch = Watch()
    sender = Sender("run-0", "channel", "token", Line([one.port, two.port]), watch)
    sending = asyncio.create_task(sender.run())
    while watch.acknowledged < 3:
        await asyncio.sleep(0.01)
    monkeypatch.setattr(sender_module, "GIVE_UP_S", 0.0)
    watch.stopping.set()
    await asyncio.wait_for(sending, 5)
    assert [(entry.nonce, entry.message_id, entry.sequence) for entry in sender.entries[:3]] == [
        ("run-0-0", "id-1", 1),
        ("run-0-1", "id-2", 2),
        ("run-0-2", "id-3", 3),
    ]
    assert [body["nonce"] for body in one.bodies[:4]] == ["run-0-0", "run-0-1", "run-0-1", "run-0-2"]
    assert two.bodies[0] == {"nonce": "run-0-1", "content": content_of("run-0-1")}
    assert watch.statuses[201] + watch.statuses[200] == 3
    assert watch.statuses[503] == 1
    assert watch.statuses[NO_ANSWER] >= 1
    assert not sender.entries[-1].message_id, "what has no answer at the end is nobody's promise"


def test_the_longest_time_without_any_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(sender_module.time, "monotonic", lambda: now)
    watch = Watch()
    watch.begin()
    for at, channel in ((101.0, "a"), (108.5, "b"), (109.0, "a")):
        now = at
        watch.note(channel, begun=100.5)
    assert watch.longest_outage_s == 7.5
    assert watch.slowest_send_s == 8.5
    assert watch.last_ack == {"a": 109.0, "b": 108.5}
