"""Creates missing topics. An existing topic is not changed: its operator may have had reasons."""

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
    """Topics could not be created; the text names them, the reason, and what to check."""


class TopicsAwayError(TopicsError):
    """Topics could not be created for a transient reason: no broker answered, or not in time."""


class TopicsReport(Struct, frozen=True):
    """The created topics, and a sentence for each difference of an existing one from its definition."""

    created: tuple[str, ...]
    differing: tuple[str, ...]


async def ensure_topics(
    options: Mapping[str, Any],
    topics: Sequence[Topic],
    *,
    replication_factor: int = 1,
    wait_s: float = WAIT_S,
) -> TopicsReport:
    """Create the missing topics; compare the existing ones and log each difference.

    Waits at most `wait_s` for a broker that is still starting. Raises `TopicsError`.
    """
    where = options.get("bootstrap_servers", "")
    try:
        async with asyncio.timeout(wait_s), _connected(options) as admin:
            created = await _create_missing(admin, topics, replication_factor)
            await _wait_for_leaders(admin, topics)
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
    """Yield an admin client once a broker answers. aiokafka cannot start the same one twice."""
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
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if not missing:
            return created
        wanted = [
            NewTopic(topic.name, topic.partitions, replication_factor, topic_configs=topic.config)
            for topic in missing
        ]
        response = await admin.create_topics(wanted)
        retry = False
        for name, code, *message in response.topic_errors:
            error = for_code(code)
            if code == 0:
                created.append(name)
            elif error is not TopicAlreadyExistsError:  # another process was faster: fine
                retry = retry or _is_transient(error, name, message)
        if not retry:
            return created
        await asyncio.sleep(_RETRY_S)


def _is_transient(error: type[KafkaError], name: str, message: Sequence[str | None]) -> bool:
    """Return True for an error that ends once the brokers have started. Raises TopicsError for others."""
    if error.retriable or error.errno == 38:  # replication factor: brokers may still be joining
        return True
    raise TopicsError(
        f"The topic {name} could not be created: {error.__name__} {' '.join(filter(None, message))}"
    )


async def _wait_for_leaders(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Wait until the topics have leaders: a broker may not know a topic yet after it was created."""
    while True:
        described = await admin.describe_topics([topic.name for topic in topics])
        if all(_has_leaders(topic) for topic in described):
            return
        await asyncio.sleep(_RETRY_S)


def _has_leaders(described: Mapping[str, Any]) -> bool:
    partitions = described["partitions"]
    return (
        not described["error_code"] and bool(partitions) and all(part["leader"] >= 0 for part in partitions)
    )
