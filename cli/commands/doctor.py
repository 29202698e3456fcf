"""`concord doctor`: find what is missing or taken before a start fails."""

import os
import sys

import click

from cli.config.settings import read_settings
from cli.doctor.checks import all_checks
from cli.doctor.result import CheckResult


@click.command()
def doctor() -> None:
    """Report what is missing or taken on this machine.

    Exit code 1 if something has to be fixed.
    """
    results = list(all_checks(os.environ, read_settings(os.environ)))
    for result in results:
        click.echo(line(result))
    wrong = sum(1 for result in results if result.wrong)
    click.echo(f"{wrong} to put right" if wrong else "Everything is in place")
    sys.exit(1 if wrong else 0)


def line(result: CheckResult) -> str:
    """Return a result as a line."""
    mark = "WRONG" if result.wrong else "ok"
    return f"{mark:<6} {result.about:<24}  {result.text}"
