"""The commands ``topics apply`` and ``topics check``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.commands.options import AsJson, settings_of

app = typer.Typer(no_args_is_help=True, help="Create or compare the topics.")


@app.command("apply")
def apply(
    *,
    development: Annotated[
        bool, typer.Option(help="Lower replication to what the cluster has.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing and set what differs; safe to repeat."""
    from streams.adapters.topics import apply_topics  # noqa: PLC0415  # quick --help

    changes = apply_topics(settings_of("topics"), is_development=development)
    if as_json:
        typer.echo(json.dumps([{"topic": c.topic, "what": c.what} for c in changes]))
        return
    for change in changes:
        typer.echo(f"{change.topic}: {change.what}")
    if not changes:
        typer.echo("All topics are as the table says.")


@app.command("check")
def topics_check(
    *,
    development: Annotated[bool, typer.Option(help="Don't compare replication.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the cluster's topics with the table; exit code 1 if something differs."""
    from streams.adapters.topics import check_topics  # noqa: PLC0415  # quick --help

    problems = check_topics(settings_of("topics"), is_development=development)
    if as_json:
        rows = [{"topic": p.topic, "what": p.what, "mend": p.mend} for p in problems]
        typer.echo(json.dumps(rows))
    elif problems:
        table = Table("topic", "problem", "what to do")
        for problem in problems:
            table.add_row(problem.topic, problem.what, problem.mend)
        Console().print(table)
    else:
        typer.echo("All topics are as the table says.")
    raise typer.Exit(1 if problems else 0)
