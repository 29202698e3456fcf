"""The end of a log, however long its lines are."""

from pathlib import Path

import pytest

from cli.processes.child import tail


@pytest.mark.parametrize("count", [0, 1, 50, 3000, 5000])
@pytest.mark.parametrize("last", ["", "\n"])
def test_as_many_whole_lines_as_asked_for(tmp_path: Path, count: int, last: str) -> None:
    lines = [f"{number} {'x' * (number % 300)} é" for number in range(3000)]
    log = tmp_path / "one.log"
    log.write_text("\n".join(lines) + last)
    assert tail(log, count).splitlines() == lines[len(lines) - min(count, len(lines)) :]


def test_an_empty_log_and_none(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    assert tail(tmp_path / "empty.log", 5) == tail(tmp_path / "none.log", 5) == ""
