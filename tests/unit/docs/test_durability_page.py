"""The durability page shows a report as the current code writes it."""

import re
from pathlib import Path

from bench.durability.report import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "durability.md"


def test_the_report_on_the_page_has_every_kind_of_fault_and_none_occurred() -> None:
    rows = re.findall(r"^> \| \*\*(.+)\*\* \| \*\*([\d,]+)\*\* \|$", PAGE.read_text(), re.M)
    assert [words for words, _ in rows] == list(KINDS.values()), "run: concord bench durability --report"
    assert {count for _, count in rows} == {"0"}
