"""Compares topics that exist with what they would be created as."""

import logging
from collections.abc import Iterable, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from shared.contracts.topics import Topic

_log = logging.getLogger(__name__)


async def differences(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], created: Sequence[str]
) -> list[str]:
    """One sentence for each topic and setting that differs, with both values."""
    old = {topic.name: topic for topic in topics if topic.name not in created}
    if not old:
        return []
    sentences = []
    for described in await admin.describe_topics(list(old)):
        topic, count = old[described["topic"]], len(described["partitions"])
        if count != topic.partitions:
            sentences.append(
                f"Topic {topic.name} has {count} partitions, not {topic.partitions}; it stays so."
            )
    for name, there in (await _configs(admin, old.values())).items():
        for setting, value in old[name].config.items():
            if there.get(setting) != value:
                sentences.append(
                    f"Topic {name} has {setting}={there.get(setting)}, not {value}; it stays so."
                )
    return sentences


async def _configs(admin: AIOKafkaAdminClient, topics: Iterable[Topic]) -> dict[str, dict[str, str]]:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=dict.fromkeys(topic.config, ""))
        for topic in topics
    ]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                _log.warning("The settings of topic %s can not be read: %s %s", name, for_code(code), message)
                continue
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
