"""Makes topics exist. What exists stays as it is: whoever runs the broker may have had reasons."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    for_code,
)
from msgspec import Struct

from shared.contracts.topics import Topic
from shared.kit.kafka.topic_diff import differences

_log = logging.getLogger(__name__)

WAIT_S = 30.0
_RETRY_S = 0.3
_REQUEST_TIMEOUT_MS = 10_000


class TopicsError(Exception):
    """The topics could not be made; the text says which, why, and what to look at."""


class TopicsAwayError(TopicsError):
    """The same, for a reason that may pass by itself: no broker answers, or not in time."""


class TopicsReport(Struct, frozen=True):
    """What was created, and one sentence for each existing topic that is not as it would be created."""

    created: tuple[str, ...]
    differing: tuple[str, ...]


async def ensure_topics(
    options: Mapping[str, Any],
    topics: Sequence[Topic],
    *,
    replication_factor: int = 1,
    wait_s: float = WAIT_S,
) -> TopicsReport:
    """Create what is missing, compare what is there and log each difference, change nothing.

    Waits for a broker that is still starting, for `wait_s` at most. Raises `TopicsError`.
    """
    where = options.get("bootstrap_servers", "")
    try:
        async with asyncio.timeout(wait_s), _connected(options) as admin:
            created = await _create_missing(admin, topics, replication_factor)
            await _wait_seen(admin, topics)
            differing = await differences(admin, topics, created)
    except TimeoutError:
        raise TopicsAwayError(
            f"Kafka at {where} was not ready within {wait_s:g} s: look whether it runs, at "
            "KAFKA_BOOTSTRAP_SERVERS and at KAFKA_REPLICATION_FACTOR."
        ) from None
    except KafkaError as error:
        kind = TopicsAwayError if error.retriable else TopicsError
        raise kind(f"Kafka at {where} refused: {error!r}") from error
    for sentence in differing:
        _log.warning("%s", sentence)
    return TopicsReport(tuple(created), tuple(differing))


@asynccontextmanager
async def _connected(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, as soon as a broker answers. aiokafka can not start the same one twice."""
    while True:
        admin = AIOKafkaAdminClient(request_timeout_ms=_REQUEST_TIMEOUT_MS, **options)
        try:
            await admin.start()
            break
        except (KafkaConnectionError, RequestTimedOutError, OSError):
            await admin.close()
            await asyncio.sleep(_RETRY_S)
        except BaseException:
            await admin.close()
            raise
    try:
        yield admin
    finally:
        await admin.close()


async def _create_missing(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication_factor: int
) -> list[str]:
    created: list[str] = []
    while True:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        if not missing:
            return created
        wanted = [
            NewTopic(topic.name, topic.partitions, replication_factor, topic_configs=topic.config)
            for topic in missing
        ]
        response = await admin.create_topics(wanted)
        again = False
        for name, code, *message in response.topic_errors:
            error = for_code(code)
            if code == 0:
                created.append(name)
            elif error is not TopicAlreadyExistsError:  # another process was faster: fine
                again = again or _passes(error, name, message)
        if not again:
            return created
        await asyncio.sleep(_RETRY_S)


def _passes(error: type[KafkaError], name: str, message: Sequence[str | None]) -> bool:
    """True for an error that passes by itself while brokers start; raises for others."""
    if error.retriable or error.errno == 38:  # replication factor: brokers may still be joining
        return True
    raise TopicsError(
        f"The topic {name} could not be created: {error.__name__} {' '.join(filter(None, message))}"
    )


async def _wait_seen(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Creation is told before every broker knows; a client that asks too early is told there is none."""
    while True:
        described = await admin.describe_topics([topic.name for topic in topics])
        if all(_is_led(topic) for topic in described):
            return
        await asyncio.sleep(_RETRY_S)


def _is_led(described: Mapping[str, Any]) -> bool:
    partitions = described["partitions"]
    return (
        not described["error_code"] and bool(partitions) and all(part["leader"] >= 0 for part in partitions)
    )
