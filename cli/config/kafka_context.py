"""The Kafka of this environment, for commands that read it."""

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
    """Return the data folder of this environment."""
    return DataFolder(read_settings(os.environ).data_path)


def kafka_context() -> dict[str, Any]:
    """Return aiokafka's options for the Kafka that is named, or runs in the data folder."""
    from shared.kit.config.settings import ToolSettings, load
    from shared.kit.kafka.options import kafka_options

    with readable_errors():
        settings = load(ToolSettings, complete_from_records(os.environ, data_folder(), ()))
    try:
        return kafka_options(settings)
    except OSError as error:
        raise ConcordError(f"A certificate of Kafka cannot be read: {error}") from error


def run_or_fail(options: dict[str, Any], work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine and return its result; raise ConcordError if Kafka is unavailable or refuses."""
    import logging

    from aiokafka.errors import KafkaError

    from shared.kit.kafka import aiokafka_patches

    aiokafka_patches.apply()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the error is reported below, once
    try:
        return asyncio.run(work)
    except (KafkaError, OSError) as error:
        servers = options["bootstrap_servers"]
        raise ConcordError(
            f"Kafka at {servers} failed: {type(error).__name__} {error}".rstrip()
            + ". Check that it runs (concord status), and the KAFKA_ settings."
        ) from error
