"""`concord demo` plays its conversation through the running gateway."""

import re
import subprocess
import sys

from cli.config.ports import free_port
from tests.e2e.concord import Concord

CONVERSATION = """\
Three people meet at {url}
  Ada signs up as {email}
  Ben signs up as {email}
  Cleo signs up as {email}
  Ada opens the server "Tea house" with the channel "general"
  Ada adds the channel "oolong"
  Ada makes the invite {code} for 2 people
  Ben joins by it
  Cleo joins by it
  Ada: Welcome! The water is hot.
  Ben: Is their any oolong left?
  Cleo: wrong window, sorry
  Ben corrects the spelling
  Cleo takes hers back
  Ada: A whole tin of it.
  The history, as Cleo reads it:
    1. Welcome! The water is hot.
    2. Is there any oolong left? (edited)
    4. A whole tin of it.
  Ada shares recipe.txt, 33 bytes
  Ben reads it: Three minutes, not a second more.
Done. The same calls, to try out by hand: {url}/api/docs
"""


def _play(concord: Concord, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", *options],
        env={**concord.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _check(done: subprocess.CompletedProcess[str], url: str) -> None:
    """Compare with the conversation: one line a call, printed after its answer."""
    assert (done.returncode, done.stderr) == (0, "")
    expected = re.escape(CONVERSATION)
    for name, pattern in {
        "url": re.escape(url),
        "email": r"\w+\.\w+@example\.org",
        "code": r"[\w-]+",
    }.items():
        expected = expected.replace(re.escape(f"{{{name}}}"), pattern)
    assert re.fullmatch(expected, done.stdout), done.stdout


def test_it_finds_the_gateway_of_its_environment_and_can_be_played_again(concord: Concord) -> None:
    port = concord.processes[0].port
    for _ in range(2):
        _check(_play(concord, GATEWAY_PORT=str(port)), f"http://localhost:{port}")


def test_it_plays_where_it_is_told(concord: Concord, gateway_url: str) -> None:
    _check(_play(concord, "--url", gateway_url, GATEWAY_PORT=str(free_port())), gateway_url)


def test_without_a_gateway_it_says_so(concord: Concord) -> None:
    port = free_port()
    done = _play(concord, GATEWAY_PORT=str(port))
    assert done.returncode != 0
    assert f"http://localhost:{port}" in done.stderr
    assert "concord up" in done.stderr
    assert "Traceback" not in done.stderr
