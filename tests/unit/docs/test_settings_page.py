"""The settings page is up to date with the code that generates it."""

from pathlib import Path

from cli.generators.settings_page import page

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m cli.generators.settings_page > docs/settings.md"
