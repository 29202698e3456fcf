"""`concord doctor`: what is missing or taken, before it hurts."""

import os
import sys

import click

from cli.config.settings import read_settings
from cli.doctor.checks import all_checks
from cli.doctor.result import CheckResult


@click.command()
def doctor() -> None:
    """Tell what is missing or taken on this machine.

    Exit code 1 when something has to be put right.
    """
    findings = list(all_checks(os.environ, read_settings(os.environ)))
    for finding in findings:
        click.echo(line(finding))
    wrong = sum(1 for finding in findings if finding.wrong)
    click.echo(f"{wrong} to put right" if wrong else "Everything is in place")
    sys.exit(1 if wrong else 0)


def line(finding: CheckResult) -> str:
    """One finding as a line."""
    mark = "WRONG" if finding.wrong else "ok"
    return f"{mark:<6} {finding.about:<24}  {finding.text}"
