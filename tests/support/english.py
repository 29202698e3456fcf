"""Find English that the project does not use: in docstrings, comments, texts and Markdown.

Usage: `python -m tests.support.english [PATH ...]`; without a path all tracked files are read.
Prints `file:line: rule: text` for each finding and exits with 1 if there is one.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

Finding = tuple[int, str, str]

NOT_READ = ("tests/support/english.py", "tests/unit/support/test_english.py")
"""The rules and their bad examples."""

HEADLESS = "headless clause"
_HEADLESS_DOCSTRING = re.compile(
    r"\s*(?:What|Who|Whoever|Whom|Whose|Whatever|Whether|Where|How|Those who|He who)\b(?![^.\n]*\?)"
)
"""A docstring begins with a noun or a verb, not with a clause that has no head."""

_BE = r"\b(?:is|are|was|were|be|been)"
BANNED = {
    "told / tells": rf"{_BE} told\b"
    r"|\b(?:tells|told) (?:of|apart|the|its|it|that|which|what|who|whom|how|by|so|in|to|with|there)\b",
    "is (not) there": rf"{_BE} (?:not |still |already )?there\b"
    r"(?! (?:a|an|no|any|anything|enough|is|are|was)\b)(?![^.]*\?)",
    "let fall": r"\blet(?:s|ting)? fall\b",
    "put away": r"\bput(?:s|ting)? (?:away|aside)\b",
    "anew": r"\banew\b",
    "so many / so much": r"\bso (?:many|much|long) (?:seconds|bytes|milliseconds|of|at)\b"
    r"|\bat most so\b|\bafter so (?:many|long)\b|\bfor so long(?! (?:as|that)\b)",
    "else for otherwise": r"(?:^|[;:.,] )else (?!if\b)[a-z]+ |\b(?:would|could|might|may|must) else\b",
    HEADLESS: r"(?:^|[.;:] )(?:Who|Whoever|Whom|What) [a-z]+[^?.]*\."
    r"|\b(?:to|of|for|by|with) whom? (?:ever|may|has|was|is|are|wants|asks|reads|comes|uses|does|waits)\b",
    "in vain": r"\bin vain\b",
    "for ever": r"\bfor ever\b(?! since)",
    "he for everybody": r"\bh(?:e|is|im|imself)\b",
    "archaic": r"\b(?:by and by|of itself|forthwith|thereof|whereof|hence|hitherto)\b",
}
_BANNED = {rule: re.compile(pattern, 0 if rule == HEADLESS else re.I) for rule, pattern in BANNED.items()}


def findings_of(path: Path) -> list[Finding]:
    """Return line, rule and text of each finding in a Python or Markdown file, each rule once a line."""
    text = path.read_text(encoding="utf-8")
    findings = in_python(text) if path.suffix == ".py" else in_markdown(text)
    return sorted({(line, rule): (line, rule, found) for line, rule, found in findings}.values())


def in_python(source: str) -> Iterator[Finding]:
    """Yield the findings in comments, docstrings and all strings of several words."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from in_line(token.start[0], token.string.lstrip("#:! "))
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(ast.Constant(str(docstring))) if _HEADLESS_DOCSTRING.match(docstring):
                yield node.lineno, HEADLESS, docstring.strip().partition("\n")[0]
            case ast.Constant(str(text)) if " " in text:
                for offset, line in enumerate(text.split("\n")):
                    yield from in_line(min(node.lineno + offset, node.end_lineno or 0), line.strip())


def in_markdown(text: str) -> Iterator[Finding]:
    """Yield the findings in prose: code is left out."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code:
            yield from in_line(number, re.sub(r"`[^`]*`", "`x`", line))


def in_line(number: int, line: str) -> Iterator[Finding]:
    """Yield the findings in one line of prose."""
    for rule, pattern in _BANNED.items():
        if match := pattern.search(line):
            yield number, rule, line[max(0, match.start() - 20) : match.end() + 30].strip()


def _files(arguments: list[str]) -> list[Path]:
    if arguments:
        roots = [Path(argument) for argument in arguments]
        nested = [[root] if root.is_file() else sorted(root.rglob("*.[pm][yd]")) for root in roots]
        files = [path for paths in nested for path in paths]
    else:
        command = ["git", "ls-files", "*.py", "*.md"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True)
        files = [Path(name) for name in listed.stdout.splitlines()]
    return [path for path in files if not path.as_posix().endswith(NOT_READ)]


def main() -> int:
    """Print all findings; return the exit code."""
    count = 0
    for path in _files(sys.argv[1:]):
        for line, rule, text in findings_of(path):
            print(f"{path}:{line}: {rule}: {text}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
