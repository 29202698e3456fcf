"""The cost of signatures: the CPU time of all signing and checking in one send, on this machine."""

import time
from collections.abc import Callable
from timeit import repeat

import click
import msgspec

from shared.contracts.event import MESSAGE_CREATED
from shared.contracts.examples import example_of, example_of_event
from shared.contracts.message import MESSAGE_SEND, Message, SendMessage
from shared.kit.clock import SystemIds, now_ms
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.call import Call, reply_headers, request_headers
from shared.kit.wire.headers import Headers

_TIMES = 2_000

Step = Callable[[], object]


def steps() -> dict[str, Step]:
    """By who takes each, in their order, on records as large as those of a short message."""
    ids, signatures = SystemIds(), RecordSigner("a secret of the benchmark alone")
    request = SendMessage(content="Hello, everyone! " * 3, channel_id=ids.new(), profile_id=ids.new())
    call = Call(
        operation=MESSAGE_SEND,
        correlation_id=ids.text(),
        call_id=ids.text(),
        deadline_ms=now_ms() + 10_000,
        body=msgspec.json.encode(request),
    )
    place, key = "gateway.replies.host-1000-0", str(request.channel_id).encode()
    topic, asked = MESSAGE_SEND.name, request_headers(call, place.encode())
    answer, answered = msgspec.json.encode(example_of(Message)), reply_headers(call, 201)
    fact, about = msgspec.json.encode(example_of_event(MESSAGE_CREATED)), _event_headers(ids)
    written = [*asked, signatures.signature(topic, key, call.body, asked)]
    replied = [*answered, signatures.signature(place, None, answer, answered)]
    assert signatures.verify(topic, key, call.body, written) is None
    return {
        "the gateway signs the request": lambda: signatures.signature(topic, key, call.body, asked),
        "the service checks it": lambda: signatures.verify(topic, key, call.body, written),
        "the service signs the reply": lambda: signatures.signature(place, None, answer, answered),
        "the gateway checks it": lambda: signatures.verify(place, None, answer, replied),
        "the relay signs the event": lambda: signatures.sign(
            " ".join(MESSAGE_CREATED.topics), key, fact, about
        ),
    }


def cpu_us(step: Step, rounds: int) -> float:
    """CPU time of one, in microseconds: the best of many rounds, which other work disturbs least."""
    return min(repeat(step, number=_TIMES, repeat=rounds, timer=time.process_time)) / _TIMES * 1e6


@click.command()
@click.option("--rounds", type=click.IntRange(1, 1000), default=25, show_default=True)
@click.option(
    "--send-us",
    type=click.FloatRange(min=1),
    default=426.0,
    show_default=True,
    help="CPU time of a whole send in all processes, in microseconds, to compare with (docs/benchmarks.md).",
)
def signatures(rounds: int, send_us: float) -> None:
    """Measure the share of signatures in the cost of a send. Nothing has to run for it."""
    costs = {name: cpu_us(step, rounds) for name, step in steps().items()}
    for name, cost_us in costs.items():
        click.echo(f"{name:<32}{cost_us:6.2f} µs")
    total_us = sum(costs.values())
    click.echo(f"{'all of it':<32}{total_us:6.2f} µs, {total_us / send_us:.1%} of {send_us:g} µs")


def _event_headers(ids: SystemIds) -> Headers:
    texts = {"event_id": ids.text(), "event_type": MESSAGE_CREATED.name, "correlation_id": ids.text()}
    return [(name, text.encode()) for name, text in texts.items()]
