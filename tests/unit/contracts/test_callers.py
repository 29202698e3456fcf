"""The declared callers and subscriptions are those of the code: docs/kafka-access.md is made from them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from apps.gateway.app import ROUTES
from shared.contracts import account, file, message, server
from shared.contracts.account import KEYS_GET, USER_VERIFY_TOKEN
from shared.contracts.catalogue import EVENTS, OPERATIONS, SERVICES
from shared.contracts.operation import Operation
from shared.contracts.topics import SUBSCRIPTIONS

ROOT = Path(__file__).parents[3]
PROCESSES = ("gateway", *SERVICES)
BY_CONSTANT = {
    name: value
    for module in (account, server, message, file)
    for name, value in vars(module).items()
    if isinstance(value, Operation)
}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_path(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(("apps.", "shared.")):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            yield from filter(None, map(module_path, names))


def modules_of(process: str) -> set[Path]:
    """Return the modules that the process imports, without those of the kit and the contracts."""
    own = ("shared/kit/", "shared/contracts/")
    modules, queue = set[Path](), [ROOT / "apps" / process / "main.py"]
    while queue:
        path = queue.pop()
        if path not in modules and not str(path.relative_to(ROOT)).startswith(own):
            modules.add(path)
            queue += imported(path)
    return modules


def method_calls(process: str, method: str) -> Iterator[ast.Call]:
    for path in modules_of(process):
        for node in ast.walk(parsed(path)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == method
            ):
                yield node


def called_operations(process: str) -> set[str]:
    constants = [
        node.args[0].id
        for node in method_calls(process, "call")
        if node.args and isinstance(node.args[0], ast.Name) and node.args[0].id in BY_CONSTANT
    ]
    called = {BY_CONSTANT[constant].name for constant in constants}
    if process == "gateway":
        called |= {route.operation.name for route in ROUTES if not route.operation.form}
    if any(OPERATIONS[name].secrets for name in called):
        called.add(KEYS_GET.name)  # the client seals secrets to the service's key
    return called


def subscribed_topics(process: str) -> set[str]:
    topics = {
        element.value
        for node in method_calls(process, "subscribe")
        for element in (node.args[0].elts if node.args and isinstance(node.args[0], ast.Tuple) else ())
        if isinstance(element, ast.Constant)
    }
    for path in modules_of(process):
        for node in ast.walk(parsed(path)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "TopicTailer"
            ):
                topics |= {word.value for word in ast.walk(node) if isinstance(word, ast.Constant)}
    event_topics = {topic for event in EVENTS.values() for topic in event.topics}
    return topics & event_topics


@pytest.mark.parametrize("process", PROCESSES)
def test_the_declared_callers_of_an_operation_are_those_that_call_it(process: str) -> None:
    declared = {operation.name for operation in OPERATIONS.values() if process in operation.callers}
    for_other_clients = {USER_VERIFY_TOKEN.name} if process == "gateway" else set()
    assert called_operations(process) == declared - for_other_clients


@pytest.mark.parametrize("process", PROCESSES)
def test_the_declared_subscriptions_are_those_of_the_code(process: str) -> None:
    assert subscribed_topics(process) == set(SUBSCRIPTIONS[process])


def test_only_processes_call_and_subscribe() -> None:
    assert {caller for operation in OPERATIONS.values() for caller in operation.callers} <= set(PROCESSES)
    assert set(SUBSCRIPTIONS) == set(PROCESSES)
