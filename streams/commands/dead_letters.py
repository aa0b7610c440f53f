"""The commands ``dead-letters list`` and ``dead-letters replay``."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.commands.options import AsJson, settings_of

if TYPE_CHECKING:
    from streams.adapters.replay import Selection

app = typer.Typer(no_args_is_help=True, help="Look at and resend what could not be processed.")

Since = Annotated[str, typer.Option(help="Not older than this: 90m, 24h, 7d.")]
Reason = Annotated[str, typer.Option(help="With this reason only, as in entity_unreadable.")]
Stage = Annotated[str, typer.Option(help="Of this stage only: ingress, track-checkouts, …")]
At = Annotated[list[str] | None, typer.Option(help="At this position, as listed; repeatable.")]


def _selection(since: str, reason: str, stage: str, at: list[str] | None) -> Selection:
    from datetime import UTC, datetime  # noqa: PLC0415  # quick --help

    from streams.adapters.replay import Position, Selection  # noqa: PLC0415
    from streams.config import parse_duration  # noqa: PLC0415

    try:
        return Selection(
            since=datetime.now(UTC) - parse_duration(since) if since else None,
            reason=reason,
            stage=stage,
            positions=frozenset(Position.read(text) for text in at or ()),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command("list")
def letters_list(  # noqa: PLR0913  # one option each
    *,
    since: Since = "",
    reason: Reason = "",
    stage: Stage = "",
    at: At = None,
    limit: Annotated[int, typer.Option(help="The newest so many; 0: all.")] = 100,
    with_value: Annotated[
        bool, typer.Option(help="Print the records too: they may hold personal data.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what could not be processed: when, why, where, and how many by reason.

    Example: checkout-recovery dead-letters list --since 24h --reason entity_unreadable
    """
    from streams.adapters.replay import read_dead_letters  # noqa: PLC0415  # quick --help

    letters = sorted(
        read_dead_letters(settings_of("dead-letters"), _selection(since, reason, stage, at)),
        key=lambda letter: letter.at,
    )
    shown = letters[-limit:] if limit else letters
    if as_json:
        for letter in shown:
            typer.echo(json.dumps(letter.describe(with_value=with_value)))
        return
    table = Table("position", "time (UTC)", "stage", "reason", "from", "bytes")
    for letter in shown:
        about = letter.describe(with_value=False)
        table.add_row(*(str(about[name]) for name in about))
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    if with_value:
        for letter in shown:
            typer.echo(f"{letter.position}\t{(letter.value or b'').decode('utf-8', 'replace')}")
    for name, count in sorted(Counter(letter.reason for letter in letters).items()):
        console.print(f"{name}: {count}", markup=False)
    if not letters:
        console.print("No dead letters.")


@app.command("replay")
def letters_replay(
    *,
    since: Since = "",
    reason: Reason = "",
    stage: Stage = "",
    at: At = None,
    dry_run: Annotated[bool, typer.Option(help="Only try to read them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again, after a fix. Safe to repeat; what is still unreadable stays.

    Without options all of them; exit code 1 if some are still unreadable.

    Example: checkout-recovery dead-letters replay --reason entity_unreadable --dry-run
    """
    from streams.adapters.replay import read_dead_letters, replay  # noqa: PLC0415  # quick --help

    settings = settings_of("dead-letters")
    letters = read_dead_letters(settings, _selection(since, reason, stage, at))
    result = replay(settings, letters, is_dry_run=dry_run)
    if as_json:
        typer.echo(
            json.dumps(
                {"sent": result.sent, "not_ours": result.not_ours, "unreadable": result.unreadable}
            )
        )
    else:
        typer.echo(f"{'can be sent' if dry_run else 'sent'}: {result.sent}")
        if result.not_ours:
            typer.echo(f"of another event type, not kept: {result.not_ours}")
        for name, count in sorted(result.unreadable.items()):
            typer.echo(f"still unreadable, {name}: {count}")
    raise typer.Exit(1 if result.unreadable else 0)
