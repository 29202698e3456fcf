"""The page about durability shows a report as the code of today writes it."""

import re
from pathlib import Path

from bench.durability.report import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "durability.md"


def test_what_was_measured_is_all_that_is_reckoned() -> None:
    shown = re.findall(r"^> \| \*\*(.+)\*\* \| \*\*([\d,]+)\*\* \|$", PAGE.read_text(), re.M)
    assert [words for words, _ in shown] == list(KINDS.values()), "run: concord bench durability --report"
    assert {count for _, count in shown} == {"0"}
