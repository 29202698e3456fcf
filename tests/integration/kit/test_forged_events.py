"""Events that strangers wrote, changed or moved: dead letters at once, in every topic that an inbox reads."""

import asyncio
from functools import partial
from typing import TypeAlias

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from prometheus_client import REGISTRY

from shared.contracts.event import Event
from shared.contracts.topics import RETRY_DELAYS_S, retry_topic
from shared.kit.clock import now_ms
from shared.kit.dead_letters.store import DeadLetterStore
from shared.kit.kafka.options import kafka_options
from shared.kit.kafka.topic_reader import ReadLimits
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.failure import ATTEMPT, ORIGINAL_OFFSET, ORIGINAL_PARTITION, ORIGINAL_TOPIC
from shared.kit.wire.headers import SIGNATURE, Headers
from tests.integration.kit.inbox_place import Place, event, headers_of
from tests.integration.kit.mesh import make_topics, settings_for
from tests.support.polling import until
from tests.unit.kit.rpc.calls import SECRET, SIGNATURES

NEW_SECRET = "the secret that comes next, as long as ours"
THEIRS = RecordSigner("somebody else's secret, as long as ours")

Record: TypeAlias = tuple[bytes | None, bytes, Headers]
"""Key, value, headers."""
OWN: Headers = [("event_id", b"e-1"), ("event_type", b"server.deleted"), ("correlation_id", b"c")]


class Taken:
    """A handler that notes the revisions of what it is given."""

    def __init__(self) -> None:
        self.revisions: list[int] = []

    async def __call__(self, event: Event) -> None:
        self.revisions.append(event.revision)

    def has(self, revision: int) -> bool:
        return revision in self.revisions


def signed(topics: str, revision: int, with_: RecordSigner = SIGNATURES, key: bytes = b"key") -> Record:
    value = event(revision)
    return key, value, [*OWN, *with_.sign(topics, key, value, OWN)]


def instead(headers: Headers, name: str, value: bytes) -> Headers:
    return [(one, value if one == name else old) for one, old in headers]


def forgeries(place: Place) -> dict[str, Record]:
    """What somebody may make of nothing, or of a true event that he read."""
    topics = f"{place.topic} {place.topic}-copy"
    key, value, headers = signed(topics, 1)
    signature = dict(headers)[SIGNATURE]
    later = msgspec.json.encode({**msgspec.json.decode(value), "occurredAt": "2126-01-01T00:00:00Z"})
    return {
        "no signature": (key, value, OWN),
        "an empty one": (key, value, [*OWN, (SIGNATURE, b"")]),
        "that of a request": (key, value, [*OWN, SIGNATURES.signature("message.send", key, value, OWN)]),
        "another mesh": signed(topics, 1, THEIRS),
        "another fact": (key, event(2), headers),
        "a time to come": (key, later, headers),
        "another aggregate": (b"other", value, headers),
        "no aggregate": (None, value, headers),
        "another id": (key, value, instead(headers, "event_id", b"e-2")),
        "another kind": (key, value, instead(headers, "event_type", b"member.joined")),
        "another trace": (key, value, instead(headers, "correlation_id", b"d")),
        "a header more": (key, value, [("more", b""), *headers]),
        "from elsewhere": signed("elsewhere also-elsewhere", 1),
        "more topics": (key, value, [*OWN, ("topics", place.topic.encode()), (SIGNATURE, signature)]),
    }


async def write(place: Place, topic: str, *records: Record, timestamp_ms: int | None = None) -> None:
    async with AIOKafkaProducer(bootstrap_servers=place.bootstrap) as producer:
        for key, value, headers in records:
            await producer.send_and_wait(topic, value, key=key, headers=headers, timestamp_ms=timestamp_ms)


def refused() -> float:
    samples = ({"kind": "event", "reason": reason} for reason in ("unsigned", "forged", "misplaced"))
    return sum(REGISTRY.get_sample_value("concord_records_refused_total", one) or 0.0 for one in samples)


def says_why(letter: ConsumerRecord) -> bool:
    return headers_of(letter)["reason"].startswith("ServiceError: signature.invalid")


async def test_a_forged_event_reaches_no_handler_and_holds_up_none(place: Place) -> None:
    taken, forged, before = Taken(), forgeries(place), refused()
    await write(place, place.topic, *forged.values(), signed(f"{place.topic} {place.topic}-copy", 7))
    async with place.inbox(taken):
        letters = await place.read(place.dead, len(forged))
        await until(lambda: taken.revisions == [7])
    assert all(map(says_why, letters))
    assert {headers_of(letter)["attempt"] for letter in letters} == {"1"}, "it is not tried again"
    assert refused() == before + len(forged)


def failed(place: Place, headers: Headers, topic: str | None = None) -> Headers:
    """As a record that has failed once."""
    origin = {
        ORIGINAL_TOPIC: topic or place.topic,
        ORIGINAL_PARTITION: "0",
        ORIGINAL_OFFSET: "0",
        ATTEMPT: "1",
    }
    return [*headers, *((name, text.encode()) for name, text in origin.items())]


@pytest.mark.usefixtures("quick_retries")
async def test_the_way_by_a_retry_topic_leads_to_no_handler_either(place: Place) -> None:
    """What fails keeps its signature, which is looked at again."""
    taken, forged = Taken(), forgeries(place)
    records = [(key, value, failed(place, headers)) for key, value, headers in forged.values()]
    key, value, headers = signed(place.topic, 7)
    true, moved = (key, value, failed(place, headers)), (key, value, failed(place, headers, "elsewhere"))
    naked = (
        key,
        value,
        headers,
    )  # without an origin it is one of the retry topic, for which it was not signed
    retries = [retry_topic(place.service, delay_s) for delay_s in RETRY_DELAYS_S]
    for topic in retries:
        await write(place, topic, *records, moved, naked, true)
    async with place.inbox(taken):
        letters = await place.read(place.dead, len(retries) * (len(records) + 2))
        await until(lambda: len(taken.revisions) == len(retries))
    assert taken.revisions == [7] * len(retries)
    assert sum(map(says_why, letters)) == len(retries) * len(records)


@pytest.mark.usefixtures("quick_retries")
async def test_a_dead_letter_that_nobody_of_us_wrote_is_one_again(place: Place) -> None:
    """An operator who redrives all there is lets no stranger speak."""
    taken, forged = Taken(), forgeries(place)
    await write(place, place.dead, *((key, value, failed(place, own)) for key, value, own in forged.values()))
    letters = DeadLetterStore(kafka_options(settings_for(place.bootstrap)), (place.service,), ReadLimits())
    box = await letters.read()
    assert len(box.letters) == len(forged)
    async with place.inbox(taken):
        sent = await letters.redrive(box.letters)
        found = await place.read(place.dead, len(forged) + 2 * len(sent))
        await write(place, place.topic, signed(place.topic, 7))
        await until(lambda: taken.revisions == [7])
    assert len(sent) == len(forged)
    assert sum(says_why(one) for one in found if "reason" in headers_of(one)) == len(forged)


async def test_a_record_of_a_time_to_come_is_taken_at_once_and_holds_up_nothing(place: Place) -> None:
    """The time of a record is the writer's word and not signed: nobody relies on it for more than a delay."""
    taken = Taken()
    soon_ms = now_ms() + 3_000_000
    key, value, headers = signed(place.topic, 2)
    await write(place, place.topic, signed(place.topic, 1), timestamp_ms=soon_ms)
    waiting = (key, value, failed(place, headers))
    await write(place, retry_topic(place.service, 1), waiting, timestamp_ms=soon_ms)
    await write(place, place.topic, signed(place.topic, 3))
    async with place.inbox(taken):
        await until(lambda: sorted(taken.revisions) == [1, 2, 3], 8)


STEPS = [{"mesh_secret": SECRET}, {"mesh_secret": SECRET, "mesh_secret_also": NEW_SECRET}]
STEPS += [{"mesh_secret": NEW_SECRET, "mesh_secret_also": SECRET}, {"mesh_secret": NEW_SECRET}]


async def test_events_are_taken_while_the_secret_changes(place: Place) -> None:
    """In the middle of it both are good, in any order; before and after only one is."""
    expected = {0: [1], 1: [1, 2], 2: [1, 2], 3: [2]}
    for number, settings in enumerate(STEPS):
        taken = Taken()
        old, new = signed(place.topic, 1), signed(place.topic, 2, RecordSigner(NEW_SECRET))
        last = signed(place.topic, 3, RecordSigner(settings["mesh_secret"]))
        await write(place, place.topic, old, new, last)
        async with place.inbox(taken, **settings):
            await until(partial(taken.has, 3))
            await asyncio.sleep(0.1)
        assert [one for one in taken.revisions if one != 3] == expected[number], number


async def test_an_event_is_good_in_its_own_topics_only(place: Place) -> None:
    """That of a copy for others to read is no fact in the topic that services read."""
    await make_topics(place.bootstrap, f"{place.topic}-copy")
    taken = Taken()
    copied = signed(f"{place.topic} {place.topic}-copy", 1)
    await write(place, place.topic, signed(f"{place.topic}-copy", 2), copied)
    async with place.inbox(taken):
        (letter,) = await place.read(place.dead, 1)
        await until(lambda: taken.revisions == [1])
    assert says_why(letter)
