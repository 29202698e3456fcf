"""Counting the files that a request enters, from what the probe records."""

import asyncio
import sys
from typing import Any

import pytest

from bench.walk.count import Steps, Walk, entries, steps, walk_of
from bench.walk.probe import Event, Recorder
from bench.walk.report import files, table

DOOR, ENTRY = "apps/x/door.py", "apps/x/door.py:handle"
EVENTS: list[Event] = [
    (DOOR, "handle", False, ENTRY),
    ("shared/kit/store.py", "load", False, ENTRY),
    ("shared/kit/timer.py", "tick", False, "shared/kit/timer.py:tick"),
    (DOOR, "handle", True, ENTRY),
    ("shared/kit/store.py", "load", True, ENTRY),
    ("shared/kit/store.py", "_row", False, ENTRY),
    (DOOR, "_answer", False, ENTRY),
]
PROJECT = {
    "shared/store.py": """
import asyncio

async def load():
    await asyncio.sleep(0)
    return _row()

def _row():
    return 1
""",
    "apps/door.py": """
async def handle():
    return [await load(), await load()]
""",
}


def test_files_moves_and_frames_are_counted_without_timers() -> None:
    found = steps(EVENTS, {"shared/kit/timer.py:tick"})
    assert found == Steps({DOOR: 3, "shared/kit/store.py": 3}, moves=2, frames=6, resumed=2)
    assert steps(EVENTS, entries(EVENTS)) == Steps({}, moves=0, frames=0, resumed=0)


def test_processes_are_put_together_by_their_median() -> None:
    small, usual, large = (Steps({DOOR: count, "y.py": 1}, 1, count, 0) for count in (1, 5, 99))
    walk = walk_of({"gateway": [large, small, usual], "auth": [Steps({}, 0, 0, 0)] * 3, "file": [small] * 3})
    assert walk == Walk(files=2, moves=2, frames=6, resumed=0, processes={"gateway": usual, "file": small})


def test_the_table_shows_what_it_was_before() -> None:
    now = {"send": Walk(2, 3, 10, 4, {"gateway": Steps({DOOR: 10}, 3, 10, 4)})}
    before = {"send": Walk(5, 9, 20, 8, {"gateway": Steps({DOOR: 10, "y.py": 10}, 9, 20, 8)})}
    assert table(now).splitlines()[-1] == "| send | 2 | 3 | 10 (4) | gateway 1 |"
    assert table(now, before).splitlines()[-1] == (
        "| send | 5 → 2 | 9 → 3 | 20 (8) → 10 (4) | gateway 2 → gateway 1 |"
    )
    assert files(now).split() == ["###", "send:", "gateway,", "1", "files", "*", f"`{DOOR}`", "10"]


@pytest.fixture
def recorded() -> list[Event]:
    """Return the records of the probe for a small project."""
    names: dict[str, Any] = {}
    for path, text in PROJECT.items():
        exec(compile(text, f"/project/{path}", "exec"), names)
    recorder, before = Recorder("/project"), sys.getprofile()
    recorder.on = True
    sys.setprofile(recorder.profile)
    try:
        assert asyncio.run(names["handle"]()) == [1, 1]
    finally:
        sys.setprofile(before)
    return recorder.events


def test_calls_and_resumed_coroutines_are_told_apart(recorded: list[Event]) -> None:
    assert [(file, function, is_resumed) for file, function, is_resumed, _ in recorded] == [
        ("apps/door.py", "handle", False),
        ("shared/store.py", "load", False),
        ("apps/door.py", "handle", True),
        ("shared/store.py", "load", True),
        ("shared/store.py", "_row", False),
        ("shared/store.py", "load", False),
        ("apps/door.py", "handle", True),
        ("shared/store.py", "load", True),
        ("shared/store.py", "_row", False),
    ]
    assert {entry for *_, entry in recorded} == {"apps/door.py:handle"}
