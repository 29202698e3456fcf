"""Commands, options, settings, metrics and make targets that the documents name exist."""

import re
from collections.abc import Iterator
from functools import cache

import click

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
"""Pages with blocks to paste into a shell, and the test that runs them."""
CALLED = re.compile(
    r"(?:(?:^|\$\()(?:\.venv/bin/)?concord|compose run --rm prepare)((?: +[^\s|`#;&)]+)+)", re.M
)
NO_COMMANDS = {"concord record signature 1"}
"""The `info` of a key."""
SETTING = re.compile(r"(?<![\w/.${-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w*(])")
NO_SETTINGS = {"SASL_SSL", "SASL_PLAINTEXT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "RLIMIT_NOFILE"}
METRIC = re.compile(r"\bconcord_[a-z_]+\b")


def test_every_command_and_option_exists() -> None:
    offenders = [
        f"{name_of(page)}: {fault}"
        for page in PAGES
        for code in code_of(page)
        if code not in NO_COMMANDS
        for words in CALLED.findall(code)
        for fault in unknown_words(words)
    ]
    assert offenders == []


def unknown_words(words: str) -> Iterator[str]:
    """Yield a fault for each command or option of `dead-letters redrive --all` that does not exist.

    Arguments are not checked.
    """
    command: click.Command = concord
    for word in words.replace("[", "").replace("]", "").split():
        if word.startswith("-"):
            options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
            if word.partition("=")[0] not in options | {"--help"}:
                yield f"{command.name} has no {word}"
        elif isinstance(command, click.Group):
            child = command.get_command(click.Context(command), word)
            if child is None:
                yield f"{command.name} has no command {word}"
                return
            command = child


def test_unknown_commands_and_options_are_found() -> None:
    assert list(unknown_words("dead-letters redrive --all --service message")) == []
    assert list(unknown_words("bench durability --seconds 120 --report FILE")) == []
    assert list(unknown_words("dead-letters revive")) == ["dead-letters has no command revive"]
    assert list(unknown_words("trace ID --body")) == ["trace has no --body"]
    text = (
        "x\n.venv/bin/concord logs -f | tail\nA=$(concord trace ID)\ndocker compose run --rm prepare up # a"
    )
    assert CALLED.findall(text) == [" logs -f", " trace ID", " up"]


def test_blocks_to_paste_are_run_by_a_test() -> None:
    pasted = {
        name_of(page)
        for page in PAGES
        if any(language == "bash" for language, _ in BLOCK.findall(page.read_text()))
    }
    assert pasted == RUN_AS_PASTED.keys()
    offenders = [
        f"{test} does not read {page}"
        for page, test in RUN_AS_PASTED.items()
        if page.rpartition("/")[2] not in (ROOT / test).read_text()
    ]
    assert offenders == []


def test_every_setting_exists() -> None:
    known = setting_names() | constants_of_shared() | NO_SETTINGS | {URL}
    offenders = [
        f"{name_of(page)}: {name}"
        for page in PAGES
        for name in sorted({name for code in code_of(page) for name in SETTING.findall(code)} - known)
    ]
    assert offenders == []


@cache
def setting_names() -> set[str]:
    """Return the names of all settings, and the variables of docker compose."""
    settings = re.findall(r"^\| `([A-Z0-9_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.M)
    example = re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M)
    return {*settings, *example}


def constants_of_shared() -> set[str]:
    """Return roles, types of channels and the like, which are written as settings are."""
    text = "".join(path.read_text() for path in (ROOT / "shared").rglob("*.py"))
    return set(SETTING.findall(text)) - setting_names()


def test_every_metric_is_published_by_some_process() -> None:
    sources = (path for package in ("apps", "shared") for path in (ROOT / package).rglob("*.py"))
    published = set(re.findall(r'"(concord_[a-z_]+)"', "".join(path.read_text() for path in sources)))
    offenders = [
        f"{name_of(page)}: {name}"
        for page in PAGES
        for name in sorted(set(METRIC.findall(page.read_text())))
        if name.removesuffix("_total") not in published
    ]
    assert offenders == []


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    offenders = [
        f"{name_of(page)}: make {name}"
        for page in PAGES
        for code in code_of(page)
        for name in re.findall(r"(?:^|\n)make ([a-z-]+)", code)
        if name not in targets
    ]
    assert offenders == []
