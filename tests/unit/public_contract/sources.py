"""The places in the product that the contract is taken from: when something moves, it changes here alone."""

import ast
import asyncio
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import click
import httpx
import msgspec

from apps.auth.settings import AuthSettings
from apps.file.settings import FileSettings
from apps.gateway.settings import GatewaySettings
from apps.message.settings import MessageSettings
from apps.server.settings import ServerSettings
from cli.generators.kafka_acls import commands as acl_commands
from cli.main import concord
from shared.contracts.catalogue import OPERATIONS, SERVICES
from shared.contracts.examples import example_of
from shared.contracts.topics import all_topics, dead_letter_topic, reply_topic, retry_topic
from shared.edge.access_log import AccessLog
from shared.kit.config.env import Settings, document
from shared.kit.config.settings import ToolSettings
from shared.kit.events.consumer import EventConsumer
from shared.kit.health.checks import Health
from shared.kit.health.endpoints import health_app
from shared.kit.telemetry.json_logging import JsonFormatter
from shared.kit.wire.headers import REPLY_TOPIC
from tests.support.gateway import client_of, new_world
from tests.unit.kit.rpc.calls import SECRET
from tests.unit.public_contract.http_api import http_api
from tests.unit.public_contract.kafka_messages import kafka_messages
from tests.unit.public_contract.schemas import Json, rules_of

ROOT = Path(__file__).parents[3]
PRODUCT = ("apps", "shared", "cli", "migrations")
SETTINGS: dict[str, type[Settings]] = {
    "gateway": GatewaySettings,
    "auth": AuthSettings,
    "server": ServerSettings,
    "message": MessageSettings,
    "file": FileSettings,
    "tools": ToolSettings,
}
COMPONENT_CALLS = ("component", "probe")
"""Methods whose first argument is the name of a component that `/health/ready` reports."""
LOG_CALLS = ("debug", "info", "warning", "error", "exception", "log", "critical")


def metrics() -> Json:
    """Return the metrics of each kind of process by name: the type and the labels."""
    command = [sys.executable, "-m", "tests.unit.public_contract.registered_metrics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT, timeout=100)
    found: Json = json.loads(done.stdout)
    return found


def settings() -> Json:
    """Return the variables of each kind of process: default and bounds; and those of the embedded parts."""
    page = (ROOT / "docs" / "settings.md").read_text()
    example = (ROOT / ".env.example").read_text()
    return {
        **{name: dict(_variables(kind)) for name, kind in SETTINGS.items()},
        "embedded": dict(re.findall(r"^\| `(CONCORD_[A-Z0-9_]+)` \| (.+?) \|", page, re.M)),
        "compose": dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", example, re.M)),
    }


def _variables(kind: type[Settings]) -> Iterator[tuple[str, str]]:
    fields = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"].values()
    for row, field in zip(document(kind), fields, strict=True):
        choices = field.get("anyOf", [field])
        rules = " or ".join(
            rules_of({key: value for key, value in choice.items() if key != "default"}) for choice in choices
        )
        yield row.name, f"{'required' if row.default is None else repr(row.default)}, {rules}"


def topics() -> Json:
    """Return every topic with its partitions, configuration and key; the names made of parts; the groups."""
    few, many = all_topics(4), {topic.name: topic.partitions for topic in all_topics(5)}
    return {
        "topics": {
            topic.name: {
                "partitions": topic.partitions if many[topic.name] == topic.partitions else "as set",
                **topic.config,
            }
            for topic in few
        },
        "keys": {name: _key(name) for name in OPERATIONS},
        "retry": retry_topic("SERVICE", 1),
        "dead letters": dead_letter_topic("SERVICE"),
        "replies": reply_topic("SERVICE", "INSTANCE"),
        "reply pattern": REPLY_TOPIC.pattern,
        "event groups": {service: ", ".join(_event_groups(service)) for service in SERVICES},
        "access": sorted({right for command in acl_commands() for right in _rights(command)}),
    }


def _rights(command: str) -> Iterator[str]:
    """Split a command that grants rights into single ones: `auth: Read topic user.signup (literal)`."""
    (user,) = re.findall(r"--allow-principal User:(\S+)", command)
    (pattern,) = re.findall(r"--resource-pattern-type (\S+)", command)
    for resource, name in re.findall(r"--(topic|group) (\S+)", command):
        for operation in re.findall(r"--operation (\S+)", command):
            yield f"{user}: {operation} {resource} {name} ({pattern})"


def _key(name: str) -> str:
    """Return the field of a request that is its Kafka key, and whether the key is its digest."""
    operation = OPERATIONS[name]
    example = example_of(operation.request)
    key = operation.key_of(msgspec.convert(example, operation.request)).decode()
    named = next((field for field, value in example.items() if value == key), None)
    return named or f"sha256 of {operation.key}"


def _event_groups(service: str) -> list[str]:
    """Return the consumer groups in which a service that hears events reads them."""
    broker = MagicMock()
    inbox = EventConsumer(service, {"bootstrap_servers": ""}, ToolSettings(mesh_secret=SECRET))
    inbox.add(("user-events",), MagicMock())
    inbox.attach(broker)
    return sorted({call.kwargs["group_id"] for call in broker.method_calls if "group_id" in call.kwargs})


@cache
def documents() -> Json:
    """Return what a gateway serves about itself: the HTTP API, the messages in Kafka, the errors."""
    return asyncio.run(_documents())


async def _documents() -> Json:
    async with client_of(new_world(mesh_secret=SECRET)) as http:
        openapi = (await http.get("/api/openapi.json")).json()
        asyncapi = (await http.get("/api/asyncapi.json")).json()
        errors = (await http.get("/api/errors")).json()["items"]
    return {
        "http": http_api(openapi),
        "messages": kafka_messages(asyncapi),
        "errors": {
            error["code"]: {"status": error["status"], "retryAfterS": error["retryAfterS"]}
            for error in errors
        },
    }


def commands() -> Json:
    """Return every command of `concord` with its arguments and options."""
    return dict(_commands(concord, "concord"))


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, Json]]:
    yield name, {_parameter(parameter): _rules(parameter) for parameter in command.params}
    if isinstance(command, click.Group):
        for part in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), part)
            assert found is not None
            yield from _commands(found, f"{name} {part}")


def _parameter(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(click.Context(click.Command("x")))
    return " ".join((*parameter.opts, *parameter.secondary_opts))


def _rules(parameter: click.Parameter) -> str:
    kind = parameter.to_info_dict()["type"]
    words = [parameter.type.name]
    words += [f"{name}={kind[name]}" for name in ("choices", "min", "max") if kind.get(name) is not None]
    if isinstance(parameter, click.Option) and parameter.is_flag:
        words.append("flag")
    elif not callable(parameter.default) and isinstance(parameter.default, str | int | float):
        words.append(f"default={parameter.default}")
    words += [name for name in ("required", "multiple") if getattr(parameter, name, False)]
    return " ".join(words)


def logs() -> Json:
    """Return the fields of log lines and of the access log in their order, and those that some lines add."""
    record = logging.LogRecord("logger", logging.ERROR, "", 0, "message", (), _caught())
    record.__dict__.update(correlation_id="c", operation="o", traceparent="t")
    line = json.loads(JsonFormatter("service", "instance").format(record))
    extra = {
        key.value
        for call in _calls(LOG_CALLS)
        for keyword in call.keywords
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict)
        for key in keyword.value.keys
        if isinstance(key, ast.Constant)
    }
    return {"line": list(line), "access": asyncio.run(_access_line()), "added by some": sorted(extra)}


def _caught() -> Any:
    try:
        raise ValueError
    except ValueError:
        return sys.exc_info()


async def _access_line() -> list[str]:
    lines: list[str] = []
    log = AccessLog(lines.append, "gateway", "instance")
    log.add("GET", "/api/x", 200, 0.001, "c")
    log.flush()
    return list(json.loads("".join(lines)))


def health() -> Json:
    """Return what the health port of a service answers, and the names of components that may not be ready."""
    names = {
        call.args[0].value
        for call in _calls(COMPONENT_CALLS)
        if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }
    return {"components": sorted(names), "port": asyncio.run(_health_port())}


async def _health_port() -> Json:
    waiting, ready = Health(), Health()
    waiting.component("something")
    found: Json = {}
    for title, state in (("ready", ready), ("not ready", waiting)):
        transport = httpx.ASGITransport(app=health_app(state))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
            for path in ("/health/live", "/health/ready", "/metrics", "/"):
                answer = await http.get(path)
                kind = answer.headers["content-type"].partition(";")[0]
                shown = f"{answer.status_code} {kind}"
                if kind == "application/json":
                    shown += f" {answer.text}"
                found[f"{path} when {title}"] = shown
    return found


def _calls(methods: tuple[str, ...]) -> list[ast.Call]:
    """Return every call of a method of one of these names in the product's code."""
    return [call for name, call in _method_calls() if name in methods]


@cache
def _method_calls() -> list[tuple[str, ast.Call]]:
    trees = (ast.parse(path.read_bytes()) for room in PRODUCT for path in (ROOT / room).rglob("*.py"))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [(call.func.attr, call) for call in calls if isinstance(call.func, ast.Attribute)]


SECTIONS: dict[str, Callable[[], Json]] = {
    "metrics": metrics,
    "settings": settings,
    "topics": topics,
    "http": lambda: documents()["http"],
    "messages": lambda: documents()["messages"],
    "errors": lambda: documents()["errors"],
    "commands": commands,
    "logs": logs,
    "health": health,
}
"""The parts of the contract, each in a file of its own."""
