"""The public contract is as recorded: settings, topics, paths, fields, codes, commands, metrics, logs.

The lists in `tests/data/public_contract` hold no descriptive texts. A refactoring leaves them alone. An
intended change of the contract records them again with `python -m tests.unit.test_public_contract`, and the
commit shows the difference. If code moves, `sources.py` and `registered_metrics.py` in
tests/unit/public_contract follow.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.public_contract.sources import SECTIONS

LISTS = Path(__file__).parents[1] / "data" / "public_contract"
RECORD = "If that is on purpose: python -m tests.unit.test_public_contract"


@pytest.mark.parametrize("section", SECTIONS)
def test_the_public_contract_is_as_recorded(section: str) -> None:
    recorded = json.loads(_list_of(section).read_text())
    if lines := differences(recorded, SECTIONS[section]()):
        pytest.fail(
            "\n".join((f"The public contract ({section}) has changed.", *lines, RECORD)), pytrace=False
        )


def test_every_list_has_its_section() -> None:
    assert {path.stem for path in LISTS.glob("*.json")} == set(SECTIONS)


def test_differences_are_listed_by_path() -> None:
    before = {"a": {"x": 1, "y": [1, 2], "z": [1, 2]}, "b": "gone", "same": None}
    after = {"a": {"x": 2, "y": [1, 3], "z": [2, 1]}, "c": "new", "same": None}
    assert differences(before, after) == [
        "- b: gone",
        "+ c: new",
        "~ a / x: 1 -> 2",
        "- a / y: 2",
        "+ a / y: 3",
        "~ a / z: [1, 2] -> [2, 1]",
    ]
    assert differences(before, before) == []


def differences(before: Any, after: Any) -> list[str]:
    """Return a line for each value that is gone (`-`), new (`+`) or another one (`~`)."""
    old, new = dict(_values(before, ())), dict(_values(after, ()))
    gone = [f"- {name}: {old[name]}" for name in old if name not in new]
    added = [f"+ {name}: {new[name]}" for name in new if name not in old]
    changed = [line for name in old if name in new for line in _changes(name, old[name], new[name])]
    return [*gone, *added, *changed]


def _changes(name: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    lines: list[str] = []
    if isinstance(old, list) and isinstance(new, list):
        lines += [f"- {name}: {item}" for item in old if item not in new]
        lines += [f"+ {name}: {item}" for item in new if item not in old]
    return lines or [f"~ {name}: {old} -> {new}"]


def _values(value: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [pair for name, part in value.items() for pair in _values(part, (*path, str(name)))]
    return [(" / ".join(path), value)]


def _list_of(section: str) -> Path:
    return LISTS / f"{section}.json"


def record() -> None:
    """Write all lists from the product as it is."""
    LISTS.mkdir(parents=True, exist_ok=True)
    for section, gather in SECTIONS.items():
        text = json.dumps(gather(), indent=1, sort_keys=section != "logs", ensure_ascii=False)
        _list_of(section).write_text(text + "\n")


if __name__ == "__main__":
    record()
