"""The wheel holds the product alone, and the product imports nothing of the tests."""

import ast
import tomllib
from pathlib import Path

from setuptools import find_namespace_packages

ROOT = Path(__file__).parents[2]
FIND = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
PRODUCT = {"apps", "shared", "cli", "migrations", "bench"}


def test_the_wheel_holds_all_packages_of_the_product_and_no_tests() -> None:
    shipped = find_namespace_packages(str(ROOT), **FIND)  # setuptools' default for pyproject.toml
    assert {name.partition(".")[0] for name in shipped} == PRODUCT
    assert [name for name in shipped if {"tests", "fakes", "support"} & set(name.split("."))] == []
    with_modules = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in PRODUCT
        for path in (ROOT / package).rglob("*.py")
    }
    assert with_modules - set(shipped) == set(), "not shipped"


def test_tests_would_be_found() -> None:
    found = set(find_namespace_packages(str(ROOT), include=["tests*"]))
    assert {"tests.fakes", "tests.support"} <= found


def test_the_product_imports_nothing_of_the_tests() -> None:
    """Import-linter cannot check it: tests are not a package of its graph."""
    sources = [path for package in PRODUCT for path in (ROOT / package).rglob("*.py")]
    assert len(sources) > 200
    offenders = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in sources
        if "tests" in (source := path.read_text())  # to parse all of them takes seconds
        for line, module in imports_of(source)
        if module.partition(".")[0] == "tests"
    ]
    assert offenders == []


def imports_of(source: str) -> list[tuple[int, str]]:
    """Return line and module of every import, also within functions, and of `import_module("…")`."""
    imports: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                imports += [(node.lineno, name.name) for name in names]
            case ast.ImportFrom(module=str(module), level=0):
                imports.append((node.lineno, module))
            case ast.Call(
                func=ast.Name("import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(str(module)), *_],
            ):
                imports.append((node.lineno, module))
    return imports


def test_every_form_of_import_is_found() -> None:
    source = """
import tests.fakes
from tests.support import s3
def late():
    from tests import support
    importlib.import_module("tests.fakes.auth")
    import_module("tests")
from . import tests
"""
    modules = [module for _, module in sorted(imports_of(source))]
    assert modules == ["tests.fakes", "tests.support", "tests", "tests.fakes.auth", "tests"]
