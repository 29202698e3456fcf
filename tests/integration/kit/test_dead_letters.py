"""Dead letters on the real broker: found, redriven once, their headers carried over."""

import asyncio

import pytest

from shared.contracts import topics
from shared.contracts.event import Event
from shared.contracts.topics import RETRY_DELAYS_S
from shared.kit.dead_letters.store import DeadLetterStore
from shared.kit.kafka.options import kafka_options
from shared.kit.kafka.topic_reader import ReadLimits
from tests.integration.kit.inbox_place import Place, event, headers_of
from tests.integration.kit.mesh import settings_for
from tests.support.polling import until


def letters_of(place: Place, **bounds: int) -> DeadLetterStore:
    options = kafka_options(settings_for(place.bootstrap))
    return DeadLetterStore(options, (place.service,), ReadLimits(**bounds))


@pytest.mark.usefixtures("quick_retries")
async def test_redriven_twice_is_once_in_effect(place: Place) -> None:
    seen: list[int] = []
    good = False

    async def handler(taken: Event) -> None:
        if not good:
            raise RuntimeError("not yet")
        seen.append(taken.revision)

    own = [("own", b"\x00\xff"), ("correlation_id", b"c-1"), ("event_id", b"e-1")]
    await place.send(*(("key", event(number)) for number in range(3)), headers=own)
    async with place.inbox(handler):
        await place.read(place.dead, 3)
        letters = letters_of(place)
        box = await letters.read()
        assert [letter.origin.topic for letter in box.letters] == [place.topic] * 3
        assert {letter.origin.attempt for letter in box.letters} == {4}
        good = True
        assert await letters.redrive([*box.letters[:2], box.letters[0]]) == list(box.letters[:2])
        again = await letters.read()
        assert [letter.redriven_at_ms is not None for letter in again.letters] == [True, True, False]
        assert await letters.redrive(again.letters) == [again.letters[2]]
        assert await letters.redrive((await letters.read()).letters) == []
        await until(lambda: len(seen) >= 3)
        await asyncio.sleep(1.0)
    assert sorted(seen) == [0, 1, 2]
    retried = await place.read(topics.retry_topic(place.service, RETRY_DELAYS_S[0]), 6)
    assert dict(retried[-1].headers)["own"] == b"\x00\xff"
    (first,) = (one for one in box.letters if one.value == retried[-1].value)
    assert dict(retried[-1].headers)["signature"] == dict(first.headers)["signature"]
    headers = headers_of(retried[-1])
    assert (headers["correlation_id"], headers["attempt"]) == ("c-1", "0")
    assert headers["dead-letter"].startswith(f"{place.service}/0/")


async def test_more_than_is_looked_at_is_told(place: Place) -> None:
    garbage = [("key", b"garbage")] * 5

    async def handler(taken: Event) -> None:
        raise AssertionError(taken)

    await place.send(*garbage)
    async with place.inbox(handler):
        await place.read(place.dead, 5)
    box = await letters_of(place, records_max=3).read()
    assert (len(box.letters), box.truncated) == (3, True)
    box = await letters_of(place, records_max=5).read()
    assert (len(box.letters), box.truncated) == (5, False)
    assert await letters_of(Place(place.bootstrap, "nobody")).read() == type(box)(())


async def test_a_letter_without_a_key_can_be_redriven(place: Place) -> None:
    async def handler(taken: Event) -> None:
        raise AssertionError(taken)

    await place.send((None, b"garbage"))
    async with place.inbox(handler):
        await place.read(place.dead, 1)
        box = await letters_of(place).read()
        assert await letters_of(place).redrive(box.letters) == list(box.letters)
        assert (await letters_of(place).read()).letters[0].redriven_at_ms is not None
