"""Modules of `shared` are imported by statements, so that linters and type checkers see every import."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
_LOADERS = frozenset({"import_module", "__import__", "find_spec", "exec_module"})
_ROOTS = frozenset({"apps", "shared", "cli", "migrations"})


def imports_by_string(source: str) -> Iterator[str]:
    """Yield each use of a loader, and each string that names a module of the project: `line: text`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name | ast.Attribute | ast.alias):
            name = ast.unparse(node).rpartition(".")[2]
            if name in _LOADERS:
                yield f"{node.lineno}: {name}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value.split(".")
            if len(words) > 1 and words[0] in _ROOTS and all(word.isidentifier() for word in words):
                yield f"{node.lineno}: {node.value}"


def test_no_module_is_imported_by_a_string() -> None:
    sources = sorted(SHARED.rglob("*.py"))
    assert len(sources) > 100
    uses = {
        path.relative_to(SHARED).as_posix(): list(imports_by_string(path.read_text())) for path in sources
    }
    assert {path: lines for path, lines in uses.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module(x)",
        "from importlib import import_module",
        "y('shared.kit.rpc')",
    ],
)
def test_an_import_by_a_string_would_be_found(source: str) -> None:
    assert list(imports_by_string(source))
