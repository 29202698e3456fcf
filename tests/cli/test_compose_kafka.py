"""The settings of Kafka in compose.yaml exist in this version of Kafka."""

import os
import re
import subprocess
from pathlib import Path

import yaml

from cli.embedded.kafka import java
from cli.embedded.kafka_jars import JarCache

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text())
OF_THE_IMAGE = {"CLUSTER_ID", "KAFKA_HEAP_OPTS"}


def test_every_setting_of_kafka_exists(jar_cache: JarCache) -> None:
    """The image turns `KAFKA_LOG_DIRS` into `log.dirs`; Kafka itself lists them."""
    jar_cache.ensure(print)
    classpath = os.pathsep.join(str(path) for path in jar_cache.paths())
    told = subprocess.run(
        [java(), "-cp", classpath, "kafka.server.KafkaConfig"], capture_output=True, text=True, check=True
    ).stdout
    known = set(re.findall(r'id="brokerconfigs_([a-z0-9.]+)"', told)) or set(re.findall(r"[a-z0-9.]+", told))
    named = {
        name.removeprefix("KAFKA_").lower().replace("_", ".")
        for name in COMPOSE["services"]["kafka"]["environment"].keys() - OF_THE_IMAGE
    }
    assert len(known) > 200
    assert named <= known


def test_the_image_has_the_version_that_was_tested() -> None:
    from cli.embedded.kafka_jar_list import KAFKA_VERSION

    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
