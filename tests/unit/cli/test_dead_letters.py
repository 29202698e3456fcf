"""`concord dead-letters`: nothing is redriven twice, and what was not looked at is said."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from cli.commands import dead_letters as command
from cli.errors import ConcordError
from shared.kit.dead_letters.store import DeadLetter, DeadLetterListing
from tests.unit.kit.dead_letters.test_store import letter


class Letters:
    """Sends nothing, but remembers."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def redrive(self, letters: list[DeadLetter]) -> list[DeadLetter]:
        self.sent += [one.id for one in letters]
        return letters


Run = Callable[..., tuple[Result, list[str]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(box: DeadLetterListing, *words: str) -> tuple[Result, list[str]]:
        letters = Letters()
        monkeypatch.setattr(command, "opened", lambda service, records: (box, letters))
        monkeypatch.setattr(command, "kafka_options_here", dict)
        monkeypatch.setattr(command, "asked", lambda options, sent: sent)
        return CliRunner().invoke(command.dead_letters, list(words)), letters.sent

    return call


ID = letter().id


@pytest.mark.parametrize("words", [("redrive", ID), ("redrive", "--all"), ("redrive", "message/0/99")])
def test_nothing_is_redriven_when_not_all_was_looked_at(run: Run, words: tuple[str, ...]) -> None:
    result, sent = run(DeadLetterListing((letter(),), truncated=True), *words)
    assert sent == []
    assert isinstance(result.exception, ConcordError)
    assert "Raise --records" in str(result.exception)


def test_an_id_named_twice_is_sent_once(run: Run) -> None:
    result, sent = run(DeadLetterListing((letter(),)), "redrive", ID, ID)
    assert sent == [ID]
    assert result.exit_code == 0
    assert "1 redriven" in result.output


def test_what_is_shown_of_a_part_says_so(run: Run) -> None:
    result, _ = run(DeadLetterListing((letter(),), truncated=True), "show", ID)
    assert "may show as waiting: raise --records" in result.output
    result, _ = run(DeadLetterListing((letter(),), truncated=True), "show", "message/0/99")
    assert "there is more" in str(result.exception)
