"""`concord dead-letters list | show | redrive`: what could not be processed, and trying it anew."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cli.config.kafka import asked, kafka_options_here
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
    help="How many records are looked at, at most.",
)
service_option: Callable[[Any], Any] = click.option(
    "--service", type=click.Choice(ANSWERING), help="Of this service only."
)


@click.group("dead-letters")
def dead_letters() -> None:
    """What could not be processed, and trying it anew."""


@dead_letters.command("list")
@service_option
@records_option
@click.option("--all", "everything", is_flag=True, help="Those that were redriven, too.")
@click.option("-n", "--lines", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_letters(service: str | None, records: int, everything: bool, lines: int) -> None:
    """List the dead letters, the newest last."""
    from cli.output.dead_letters import table

    box, _ = opened(service, records)
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
    """Show one dead letter, without secrets. ID is SERVICE/PARTITION/OFFSET as `list` tells it."""
    from cli.output.dead_letters import page

    box, _ = opened(service_of(letter_id), records)
    click.echo("\n".join(page(found(box, letter_id))))
    warn_if_truncated(box)


@dead_letters.command()
@click.argument("letter_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that wait and can be redriven.")
@service_option
@records_option
def redrive(letter_ids: tuple[str, ...], everything: bool, service: str | None, records: int) -> None:
    """Try dead letters anew: they go to the first retry topic of their service.

    What was redriven before is passed over, so the same command may be given twice. Exit code 1 when
    one of the IDs can not be redriven.
    """
    if bool(letter_ids) == everything or (letter_ids and service):
        raise click.UsageError("Name dead letters, or say --all (with --service, if you like).")
    services = {service_of(letter_id) for letter_id in letter_ids}
    box, letters = opened(service or (services.pop() if len(services) == 1 else None), records)
    refuse_if_cut(box)
    wanted = dict.fromkeys(letter_ids)
    chosen = list(box.letters) if everything else [found(box, letter_id) for letter_id in wanted]
    sent = asked(kafka_options_here(), letters.redrive(chosen))
    for letter in sent:
        click.echo(f"{letter.id} is tried anew")
    kept = 0 if everything else tell_the_rest(chosen)
    click.echo(f"{len(sent)} redriven")
    sys.exit(1 if kept else 0)


def tell_the_rest(chosen: "list[DeadLetter]") -> int:
    """Say why the others were not sent; returns how many can not be."""
    from cli.output.dead_letters import moment

    kept = 0
    for letter in chosen:
        if letter.redriven_at_ms is not None:
            click.echo(f"{letter.id} was redriven before, at {moment(letter.redriven_at_ms)}")
        elif refusal := letter.not_redrivable_reason():
            kept += 1
            click.echo(f"{letter.id} can not be redriven: {refusal}.", err=True)
    return kept


def opened(service: str | None, records: int) -> "tuple[DeadLetterListing, DeadLetterStore]":
    """The letters of one service or of all."""
    from shared.kit.dead_letters.store import DeadLetterStore
    from shared.kit.kafka.topic_reader import ReadLimits

    options = kafka_options_here()
    letters = DeadLetterStore(options, (service,) if service else ANSWERING, ReadLimits(records_max=records))
    return asked(options, letters.read()), letters


def found(box: "DeadLetterListing", letter_id: str) -> "DeadLetter":
    """The letter with this id; raises ConcordError when there is none."""
    letter = box.find(letter_id)
    if letter is None and box.truncated:
        raise ConcordError(
            f"{letter_id} is not among what was looked at, and there is more: raise --records."
        )
    if letter is None:
        raise ConcordError(
            f"There is no dead letter {letter_id}: `concord dead-letters list --all` tells which."
        )
    return letter


def service_of(letter_id: str) -> str:
    """The service in an ID; raises ConcordError when it is none."""
    parts = letter_id.split("/")
    if len(parts) != 3 or parts[0] not in ANSWERING or not all(part.isdecimal() for part in parts[1:]):
        raise ConcordError(f"{letter_id!r} is no ID: it must be like message/0/17, as `list` tells it.")
    return parts[0]


def warn_if_truncated(box: "DeadLetterListing") -> None:
    """Say so when not all was looked at."""
    if box.truncated:
        click.echo(
            "There is more than was looked at: what was redriven may show as waiting: raise --records.",
            err=True,
        )


def refuse_if_cut(box: "DeadLetterListing") -> None:
    """Raises ConcordError when not all was looked at: that a letter was redriven is told far behind it."""
    if box.truncated:
        raise ConcordError(
            "Nothing was redriven: there is more than was looked at, and it may tell that letters were "
            "redriven before. Raise --records, or name a --service."
        )
