"""What documents name is there: commands, settings, figures, targets; what can be pasted is run by a test."""

import re
from pathlib import Path

import click
import pytest

from cli.main import concord
from tests.support.s3 import URL
from tests.unit.docs.pages import BLOCK, PAGES, ROOT, code_of, name_of

RUN_AS_PASTED = {
    "README.md": "tests/e2e/test_readme.py",
    "docs/dead-letters.md": "tests/e2e/test_dead_letters_page.py",
    "docs/kafka-access.md": "tests/unit/docs/test_access_page.py",
    "docs/operating.md": "tests/faults/test_backup.py",
    "docs/trace.md": "tests/e2e/test_trace_page.py",
}
CALLED = re.compile(
    r"(?:(?:^|\$\()(?:\.venv/bin/)?concord|compose run --rm prepare)((?: +[^\s|`#;&)]+)+)", re.M
)
NO_COMMANDS = {"concord record signature 1"}
"""A key's `info`."""
SETTING = re.compile(r"(?<![\w/.${-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w*(])")
NO_SETTINGS = {"SASL_SSL", "SASL_PLAINTEXT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "RLIMIT_NOFILE"}
FIGURE = re.compile(r"\bconcord_[a-z_]+\b")


def faults_of(words: str) -> list[str]:
    """What of `dead-letters redrive --all` does not exist; words that are arguments are not looked at."""
    command: click.Command = concord
    faults = []
    for word in words.replace("[", "").replace("]", "").split():
        if word.startswith("-"):
            known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            if word.partition("=")[0] not in known | {"--help"}:
                faults.append(f"{command.name} has no {word}")
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                faults.append(f"{command.name} has no command {word}")
                break
            command = found
    return faults


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_option_exists(page: Path) -> None:
    called = [words for code in code_of(page) if code not in NO_COMMANDS for words in CALLED.findall(code)]
    assert [fault for words in called for fault in faults_of(words)] == []


def test_what_does_not_exist_is_found() -> None:
    assert faults_of("dead-letters redrive --all --service message") == []
    assert faults_of("bench durability --seconds 120 --report FILE") == []
    assert faults_of("dead-letters revive") == ["dead-letters has no command revive"]
    assert faults_of("trace ID --body") == ["trace has no --body"]
    text = (
        "x\n.venv/bin/concord logs -f | tail\nA=$(concord trace ID)\ndocker compose run --rm prepare up # a"
    )
    assert CALLED.findall(text) == [" logs -f", " trace ID", " up"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_can_be_pasted_is_run_by_a_test(page: Path) -> None:
    pasted = [block for kind, block in BLOCK.findall(page.read_text()) if kind == "bash"]
    if pasted:
        test = ROOT / RUN_AS_PASTED[name_of(page)]
        assert page.name in test.read_text()
    else:
        assert name_of(page) not in RUN_AS_PASTED


def known_names() -> set[str]:
    """Settings, and what compose asks for."""
    settings = re.findall(r"^\| `([A-Z0-9_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.M)
    example = re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M)
    return {*settings, *example}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_setting_exists(page: Path) -> None:
    named = {name for code in code_of(page) for name in SETTING.findall(code)}
    assert named - known_names() - NO_SETTINGS - contracts_words() - {URL} == set()


def contracts_words() -> set[str]:
    """Roles, types of channels and the like are written in the same way."""
    text = "".join(path.read_text() for path in (ROOT / "shared").rglob("*.py"))
    return set(SETTING.findall(text)) - known_names()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_figure_is_told_by_some_process(page: Path) -> None:
    named = set(FIGURE.findall(page.read_text()))
    text = "".join(path.read_text() for room in ("apps", "shared") for path in (ROOT / room).rglob("*.py"))
    told = set(re.findall(r'"(concord_[a-z_]+)"', text))
    assert {name for name in named if name.removesuffix("_total") not in told} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {name for code in code_of(page) for name in re.findall(r"(?:^|\n)make ([a-z-]+)", code)}
    assert named <= targets
