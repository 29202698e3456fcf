"""Compares existing topics with their definitions."""

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
    """Return a sentence for each topic and setting that differs, with both values."""
    existing = {topic.name: topic for topic in topics if topic.name not in created}
    if not existing:
        return []
    sentences = []
    for described in await admin.describe_topics(list(existing)):
        topic, count = existing[described["topic"]], len(described["partitions"])
        if count != topic.partitions:
            sentences.append(
                f"Topic {topic.name} has {count} partitions, not {topic.partitions}; it stays so."
            )
    for name, settings in (await _configs(admin, existing.values())).items():
        for setting, value in existing[name].config.items():
            if settings.get(setting) != value:
                sentences.append(
                    f"Topic {name} has {setting}={settings.get(setting)}, not {value}; it stays so."
                )
    return sentences


async def _configs(admin: AIOKafkaAdminClient, topics: Iterable[Topic]) -> dict[str, dict[str, str]]:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=dict.fromkeys(topic.config, ""))
        for topic in topics
    ]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                _log.warning("The settings of topic %s can not be read: %s %s", name, for_code(code), message)
                continue
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs
