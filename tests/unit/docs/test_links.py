"""Links between documents lead to files and headings that exist."""

import re
from functools import cache
from pathlib import Path

from tests.unit.docs.pages import PAGES, ROOT, name_of, prose_of

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
DECISIONS = ROOT / "docs" / "adr"


@cache
def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ +(.+)$", prose_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(link: str, page: Path) -> bool:
    """Return True for an external link, or if the file and the heading exist."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return "://" in link or (target.exists() and (not anchor or anchor in anchors_of(target)))


def test_every_relative_link_leads_somewhere() -> None:
    offenders = [
        f"{name_of(page)}: {link}"
        for page in PAGES
        for link in LINK.findall(prose_of(page))
        if not leads_somewhere(link, page)
    ]
    assert offenders == []


def test_broken_links_are_found() -> None:
    readme = ROOT / "README.md"
    assert leads_somewhere("docs/operating.md#upgrade", readme)
    assert leads_somewhere("https://example.org/x", readme)
    assert not leads_somewhere("docs/operating.md#no-such-heading", readme)
    assert not leads_somewhere("docs/no-such-page.md", readme)


def test_all_pages_are_read() -> None:
    assert {"README.md", "ARCHITECTURE.md", "CHANGELOG.md"} <= {page.name for page in PAGES}
    assert "upgrade" in anchors_of(ROOT / "docs" / "operating.md")


def test_the_index_names_every_decision_by_its_title() -> None:
    index = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", (DECISIONS / "README.md").read_text(), re.M)
    files = sorted(DECISIONS.glob("[0-9]*.md"))
    titles = [path.read_text().partition("\n")[0] for path in files]
    assert [f"# {number}. {title}" for number, title, _ in index] == titles
    assert [link for _, _, link in index] == [path.name for path in files]
    assert [int(number) for number, _, _ in index] == list(range(1, len(files) + 1)), "without gaps"
