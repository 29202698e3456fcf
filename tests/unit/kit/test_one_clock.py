"""Time and ids come from one place, which tests can set: nobody else reads the clock or makes an id.

Clocks that only measure (`monotonic`, `perf_counter`, `process_time`) may be read everywhere.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLACE = "shared/kit/clock.py"
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for room in ("apps", "shared", "cli", "bench", "migrations")
    for path in (ROOT / room).rglob("*.py")
)
_IDS = frozenset({"uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8"})
_READERS = {
    "time": {
        "time",
        "time_ns",
        "clock_gettime",
        "clock_gettime_ns",
        "localtime",
        "gmtime",
        "ctime",
        "asctime",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "uuid": _IDS,
    "uuid_utils": _IDS,
    "uuid_utils.compat": _IDS,
}


_NAMES = frozenset().union(*_READERS.values())
_IMPORT = re.compile(r"^\s*(?:from|import)\b.*\b(?:time|datetime|uuid|uuid_utils)\b", re.M)
"""Sources without such an import are not parsed, which takes seconds for all of them."""


def readers_in(source: str) -> Iterator[str]:
    """The places at which a source reads the time or creates an id by itself: `line: name`."""
    if not _IMPORT.search(source):
        return
    tree = ast.parse(source)
    modules = {"datetime": "datetime", "date": "date"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {name.asname or name.name: name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                if name.name in _READERS.get(node.module or "", ()):
                    yield f"{node.lineno}: {node.module}.{name.name}"
                modules[name.asname or name.name] = name.name if node.module == "datetime" else ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _NAMES:
            module = modules.get(ast.unparse(node.value), ast.unparse(node.value).removeprefix("datetime."))
            if node.attr in _READERS.get(module, ()):
                yield f"{node.lineno}: {module}.{node.attr}"


def test_nobody_else_reads_the_clock_or_makes_an_id() -> None:
    assert PLACE in SOURCES
    assert len(SOURCES) > 200
    found = {path: list(readers_in((ROOT / path).read_text())) for path in SOURCES if path != PLACE}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_one_place_is_found() -> None:
    assert len(list(readers_in((ROOT / PLACE).read_text()))) >= 4


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "import time\nx = time.time_ns",
        "import time as clock\nclock.time()",
        "from time import time\ntime()",
        "from datetime import datetime, UTC\ndatetime.now(UTC)",
        "from datetime import datetime as moment\nmoment.utcnow()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import date\ndate.today()",
        "from uuid import uuid4",
        "import uuid\nuuid.uuid4()",
        "import uuid_utils\nuuid_utils.uuid7()",
        "from uuid_utils.compat import uuid7",
    ],
)
def test_a_reader_would_be_found(source: str) -> None:
    assert list(readers_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.monotonic()\ntime.perf_counter()\ntime.sleep(1)",
        "clock.now()\nself._clock.now()",
        "from datetime import datetime, UTC\ndatetime.fromtimestamp(1, UTC)",
        "from uuid import UUID\nUUID(int=0)",
    ],
)
def test_what_reads_no_clock_is_let_be(source: str) -> None:
    assert list(readers_in(source)) == []
