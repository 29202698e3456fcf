"""Documents point at things that are there."""

import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import PAGES, ROOT, name_of, prose_of

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
DECISIONS = ROOT / "docs" / "adr"


def anchors_of(page: Path) -> set[str]:
    """What GitHub makes of its headings."""
    headings = re.findall(r"^#+ +(.+)$", prose_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    missing = []
    for link in LINK.findall(prose_of(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors_of(target))):
            missing.append(link)
    assert missing == []


def test_the_pages_are_found() -> None:
    assert {"README.md", "ARCHITECTURE.md", "CHANGELOG.md"} <= {page.name for page in PAGES}
    assert "upgrade" in anchors_of(ROOT / "docs" / "operating.md")


def test_the_index_names_every_decision_by_its_title() -> None:
    index = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", (DECISIONS / "README.md").read_text(), re.M)
    files = sorted(DECISIONS.glob("[0-9]*.md"))
    titles = [path.read_text().partition("\n")[0] for path in files]
    assert [f"# {number}. {title}" for number, title, _ in index] == titles
    assert [link for _, _, link in index] == [path.name for path in files]
    assert [int(number) for number, _, _ in index] == list(range(1, len(files) + 1)), "without gaps"
