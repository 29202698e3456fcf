"""Table checks: one test for many cells that reports every cell that fails."""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def assert_each(cells: Mapping[str, T], check: Callable[[T], None]) -> None:
    """Run the check on each cell; fail with the names and errors of all cells that raise."""
    offenders = {}
    for name, cell in cells.items():
        try:
            check(cell)
        except Exception as error:  # noqa: BLE001 - all offenders are reported together
            offenders[name] = f"{type(error).__name__}: {error}"
    assert cells
    assert not offenders, "\n".join(f"{name}: {problem}" for name, problem in offenders.items())
