"""The pages that people read, and the code in them."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
_SPAN = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    """Return the path within the repository."""
    return str(page.relative_to(ROOT))


@cache
def code_of(page: Path) -> list[str]:
    """Return blocks and spans of code."""
    text = page.read_text()
    return [block for _, block in BLOCK.findall(text)] + _SPAN.findall(BLOCK.sub("", text))


@cache
def prose_of(page: Path) -> str:
    """Return the text without blocks of code."""
    return BLOCK.sub("", page.read_text())
