"""Each rule finds its bad sentences and leaves good ones alone."""

from pathlib import Path

import pytest

from tests.support.english import BANNED, HEADLESS, findings_of, in_line, in_markdown, in_python, main

BAD = {
    "told / tells": (
        "Callers are told to wait.",
        "It tells the gateway of it.",
        "The header tells which one.",
    ),
    "is (not) there": ("As soon as the topic is there.", "The bucket was not there.", "It is still there."),
    "let fall": ("The lease is let fall.", "It lets fall what it has."),
    "put away": ("The record is put away.", "Put aside until later."),
    "anew": ("It is signed anew.",),
    "so many / so much": ("Read so many bytes.", "Fail after so long.", "At most so long as this."),
    "else for otherwise": ("An outside S3, else an embedded one.", "It would else hold the connection."),
    HEADLESS: ("Who comes late waits.", "Wait. What comes behind it is read.", "A port for who has a token."),
    "in vain": ("It tried in vain.",),
    "for ever": ("It waits for ever.",),
    "he for everybody": (
        "A caller and his token.",
        "The owner closes it himself.",
        "A profile that he knows.",
    ),
    "archaic": ("Hence the bound; hence no more.", "It ends of itself."),
}
GOOD = (
    "Return the error for a caller over the limit.",
    "Is the key there?",
    "If there is one, return it; there are two.",
    "Check that there is a topic and that there are no others.",
    "Put the record into the outbox.",
    "For each of so many clients that a pool would not do.",
    "Retry for so long that the broker can restart.",
    "Somebody else has the lease, or else the process has ended.",
    "What is the deadline? See the header.",
    "A member who has left may not read.",
    "Repeat forever.",
    "This history tells nobody anything.",
    "The sheet and the shelf.",
)


def rules_in(text: str) -> set[str]:
    return {rule for _, rule, _ in in_line(1, text)}


@pytest.mark.parametrize("rule", BANNED)
def test_bad_english_is_found(rule: str) -> None:
    assert [text for text in BAD[rule] if rule not in rules_in(text)] == []


def test_good_english_is_not_flagged() -> None:
    assert {text: rules for text in GOOD if (rules := rules_in(text))} == {}


def test_a_docstring_opens_with_a_noun_or_a_verb() -> None:
    source = '''
def is_open(self):
    """Whether it is open."""

LIMIT = 3
"""How many may be open."""
'''
    assert sorted((line, rule) for line, rule, _ in in_python(source)) == [(3, HEADLESS), (6, HEADLESS)]
    assert list(in_python('"""Return True if it is open: where it is, and how long."""')) == []


def test_comments_and_texts_are_read_and_code_is_not() -> None:
    source = "told = there(anew)  # is told so\nraise E('it is not there', f'{x} is done anew')\n"
    assert [rule for _, rule, _ in in_python(source)] == ["told / tells", "is (not) there", "anew"]


def test_a_finding_has_the_line_of_its_text() -> None:
    assert [line for line, _, _ in in_python('x = 1\n"""One.\n\nDone anew.\n"""\n')] == [4]


def test_code_in_markdown_is_left_out() -> None:
    text = "Signed anew.\n\n```\nanew\n```\nThe flag `anew`.\n"
    assert [(line, rule) for line, rule, _ in in_markdown(text)] == [(1, "anew")]


def test_findings_end_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, module = tmp_path / "page.md", tmp_path / "module.py"
    page.write_text("Signed anew, anew.\n")
    module.write_text('"""A module."""\n')
    assert len(findings_of(page)) == 1, "each rule once a line"
    monkeypatch.setattr("sys.argv", ["english", str(tmp_path)])
    assert main() == 1
    assert capsys.readouterr().out == f"{page}:1: anew: Signed anew, anew.\n"
    page.unlink()
    assert main() == 0
