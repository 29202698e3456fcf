"""File names as clients send them."""

import pytest

from apps.file.domain.names import base_name, disposition


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("tea.png", "tea.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\tea.png", "tea.png"),
        ("a\r\nb\0.png", "ab.png"),
        ("gnp.\u202eexe", "gnp.exe"),
        ("  tea.png ", "tea.png"),
        ("..", ".."),
        ("/", ""),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
    ],
)
def test_what_is_kept_of_a_name(given: str, kept: str) -> None:
    assert base_name(given) == kept


def test_a_name_can_not_leave_its_header() -> None:
    header = disposition('a"\\;é\r\nX: y%', inline=False)
    assert header.isascii()
    assert "\r" not in header
    assert (
        header == "attachment; filename=\"a__;___X: y_\"; filename*=UTF-8''a%22%5C%3B%C3%A9%0D%0AX%3A%20y%25"
    )
    assert disposition("a", inline=True).startswith("inline; ")
