"""The page about Kafka access is up to date with its generator, and its commands are complete."""

import os
import re
import subprocess
import sys
from pathlib import Path

from cli.generators.kafka_acls import GROUP, TOPIC, commands, grants, page
from shared.contracts.catalogue import OPERATIONS, SERVICES
from shared.contracts.topics import all_topics

PAGE = Path(__file__).parents[3] / "docs" / "kafka-access.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m cli.generators.kafka_acls > docs/kafka-access.md"


def test_every_topic_has_a_reader_or_is_for_others_and_a_writer() -> None:
    written = {
        name
        for grant in grants()
        if grant.resource == TOPIC and "Write" in grant.operations and grant.principal != "operator"
        for name in grant.names
    }
    nobody_fails = {f"auth.retry.{delay}" for delay in ("1s", "10s", "60s")}
    only_for_clients = {"user.verifyToken"}
    assert {topic.name for topic in all_topics(1)} - written <= nobody_fails | only_for_clients


def test_only_its_service_reads_a_request_topic() -> None:
    for name, operation in OPERATIONS.items():
        readers = {
            grant.principal
            for grant in grants()
            if grant.resource == TOPIC and name in grant.names and "Read" in grant.operations
        }
        assert readers == {operation.service, "operator"}


def test_addresses_are_for_gateways_alone() -> None:
    readers = {
        grant.principal for grant in grants() if "rate-limits" in grant.names and "Read" in grant.operations
    }
    assert readers == {"gateway"}


def test_there_is_a_command_for_each_grant() -> None:
    lines = list(commands())
    assert len(lines) == len(grants())
    assert all("--allow-principal User:" in line and "--operation" in line for line in lines)
    groups = [line for line in lines if f"--{GROUP} " in line]
    assert len(groups) == len(SERVICES)
    assert all("--resource-pattern-type prefixed" in line for line in groups)


def test_the_commands_run_when_pasted(tmp_path: Path) -> None:
    """Run them with a `kafka-acls.sh` that records its arguments."""
    (script,) = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S)
    recorded, tool = tmp_path / "recorded", tmp_path / "kafka-acls.sh"
    tool.write_text(f'#!/bin/sh\necho "$@" >>{recorded}\n')
    tool.chmod(0o755)
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "python").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-eu", "-c", script], env=environ, check=True, timeout=60, cwd=PAGE.parents[1])
    lines = recorded.read_text().splitlines()
    assert len(lines) == len(grants())
    assert all(
        line.startswith("--bootstrap-server broker:9092 --command-config admin.prop") for line in lines
    )
