"""`concord dead-letters list | show | redrive`: records that could not be processed."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cli.config.kafka_context import kafka_context, run_or_fail
from cli.config.settings import SERVICES
from cli.errors import ConcordError

if TYPE_CHECKING:
    from shared.kit.dead_letters.store import DeadLetter, DeadLetterListing, DeadLetterStore

ANSWERING = tuple(name for name in SERVICES if name != "gateway")
RECORDS_MAX = 100_000

records_option: Callable[[Any], Any] = click.option(
    "--records",
    type=click.IntRange(1, 10_000_000),
    default=RECORDS_MAX,
    show_default=True,
    help="The most records to read.",
)
service_option: Callable[[Any], Any] = click.option(
    "--service", type=click.Choice(ANSWERING), help="Of this service only."
)


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show and retry records that could not be processed."""


@dead_letters.command("list")
@service_option
@records_option
@click.option("--all", "everything", is_flag=True, help="Include those that were redriven.")
@click.option("-n", "--lines", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_letters(service: str | None, records: int, everything: bool, lines: int) -> None:
    """List the dead letters, the newest last."""
    from cli.output.dead_letter_view import table

    box, _ = read_letters(service, records)
    letters = [letter for letter in box.letters if everything or letter.redriven_at_ms is None]
    if not letters:
        click.echo("There are no dead letters" + ("" if everything else " that wait"))
    else:
        click.echo("\n".join(table(letters[-lines:])))
    if len(letters) > lines:
        click.echo(f"… and {len(letters) - lines} older ones: -n {len(letters)}")
    warn_if_truncated(box)


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@records_option
def show(letter_id: str, records: int) -> None:
    """Show one dead letter, without secrets. ID is SERVICE/PARTITION/OFFSET as `list` shows it."""
    from cli.output.dead_letter_view import page

    box, _ = read_letters(service_of(letter_id), records)
    click.echo("\n".join(page(find_letter(box, letter_id))))
    warn_if_truncated(box)


@dead_letters.command()
@click.argument("letter_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that wait and can be redriven.")
@service_option
@records_option
def redrive(letter_ids: tuple[str, ...], everything: bool, service: str | None, records: int) -> None:
    """Retry dead letters: publish them to the first retry topic of their service.

    Letters that were redriven before are skipped, so the same command may be run twice. Exit code 1 if
    one of the IDs cannot be redriven.
    """
    if bool(letter_ids) == everything or (letter_ids and service):
        raise click.UsageError("Name dead letters, or give --all (with --service, if you like).")
    services = {service_of(letter_id) for letter_id in letter_ids}
    box, letters = read_letters(service or (services.pop() if len(services) == 1 else None), records)
    require_complete(box)
    unique_ids = dict.fromkeys(letter_ids)
    chosen = list(box.letters) if everything else [find_letter(box, letter_id) for letter_id in unique_ids]
    sent = run_or_fail(kafka_context(), letters.redrive(chosen))
    for letter in sent:
        click.echo(f"{letter.id} is retried")
    refused = 0 if everything else report_skipped(chosen)
    click.echo(f"{len(sent)} redriven")
    sys.exit(1 if refused else 0)


def report_skipped(chosen: "list[DeadLetter]") -> int:
    """Print why the others were not sent; return how many cannot be redriven."""
    from cli.output.dead_letter_view import moment

    refused = 0
    for letter in chosen:
        if letter.redriven_at_ms is not None:
            click.echo(f"{letter.id} was redriven before, at {moment(letter.redriven_at_ms)}")
        elif reason := letter.not_redrivable_reason():
            refused += 1
            click.echo(f"{letter.id} cannot be redriven: {reason}.", err=True)
    return refused


def read_letters(service: str | None, records: int) -> "tuple[DeadLetterListing, DeadLetterStore]":
    """Read the letters of one service or of all."""
    from shared.kit.dead_letters.store import DeadLetterStore
    from shared.kit.kafka.topic_reader import ReadLimits

    options = kafka_context()
    letters = DeadLetterStore(options, (service,) if service else ANSWERING, ReadLimits(records_max=records))
    return run_or_fail(options, letters.read()), letters


def find_letter(box: "DeadLetterListing", letter_id: str) -> "DeadLetter":
    """Return the letter with this id; raise ConcordError if there is none."""
    letter = box.find(letter_id)
    if letter is None and box.truncated:
        raise ConcordError(
            f"{letter_id} is not among the records that were read, and there are more: raise --records."
        )
    if letter is None:
        raise ConcordError(
            f"There is no dead letter {letter_id}: `concord dead-letters list --all` lists them."
        )
    return letter


def service_of(letter_id: str) -> str:
    """Return the service in an ID; raise ConcordError if it is not an ID."""
    parts = letter_id.split("/")
    if len(parts) != 3 or parts[0] not in ANSWERING or not all(part.isdecimal() for part in parts[1:]):
        raise ConcordError(f"{letter_id!r} is no ID: it must be like message/0/17, as `list` shows it.")
    return parts[0]


def warn_if_truncated(box: "DeadLetterListing") -> None:
    """Warn if not all records were read."""
    if box.truncated:
        click.echo(
            "Not all records were read, so redriven letters may show as waiting: raise --records.",
            err=True,
        )


def require_complete(box: "DeadLetterListing") -> None:
    """Raise ConcordError if not all records were read: markers of redrives lie behind the letters."""
    if box.truncated:
        raise ConcordError(
            "Nothing was redriven: not all records were read, and the rest may hold the markers of earlier "
            "redrives. Raise --records, or name a --service."
        )
