"""The Kafka of this environment, for commands that look into it."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from cli.config.data_folder import DataFolder
from cli.config.environment import complete_from_records
from cli.config.settings import read_settings
from cli.errors import ConcordError, readable_errors

T = TypeVar("T")


def data_folder() -> DataFolder:
    """The data folder of this environment."""
    return DataFolder(read_settings(os.environ).data)


def kafka_options_here() -> dict[str, Any]:
    """aiokafka's options for the Kafka that is named, or runs in the data folder. Raises ConcordError."""
    from shared.kit.config.settings import ToolSettings, load
    from shared.kit.kafka.options import kafka_options

    with readable_errors():
        settings = load(ToolSettings, complete_from_records(os.environ, data_folder(), ()))
    try:
        return kafka_options(settings)
    except OSError as error:
        raise ConcordError(f"A certificate of Kafka can not be read: {error}") from error


def asked(options: dict[str, Any], work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; raises ConcordError with words when Kafka is away or refuses."""
    import logging

    from aiokafka.errors import KafkaError

    from shared.kit.kafka import aiokafka_patches

    aiokafka_patches.apply()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it is told below, once
    try:
        return asyncio.run(work)
    except (KafkaError, OSError) as error:
        where = options["bootstrap_servers"]
        raise ConcordError(
            f"Kafka at {where} did not do it: {type(error).__name__} {error}".rstrip()
            + ". Look whether it runs (concord status) and at the KAFKA_ settings."
        ) from error
