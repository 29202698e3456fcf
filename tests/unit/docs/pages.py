"""The pages that people read, and what in them is code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
_SPAN = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    """As the repository names it."""
    return str(page.relative_to(ROOT))


def code_of(page: Path) -> list[str]:
    """Blocks and words that are set as code."""
    text = page.read_text()
    return [block for _, block in BLOCK.findall(text)] + _SPAN.findall(BLOCK.sub("", text))


def prose_of(page: Path) -> str:
    """The text without its blocks of code."""
    return BLOCK.sub("", page.read_text())
