"""The command ``checkout-recovery``: the composition root. Each command assembles one process."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.config import ConfigurationError, Settings, load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Wix abandoned-checkout webhooks in; recovery events and conversion rates out.",
    epilog="Settings come from CHECKOUT_RECOVERY_… variables; see docs/operations.md.",
)
topics_app = typer.Typer(no_args_is_help=True, help="Create or compare the topics.")
app.add_typer(topics_app, name="topics")

_USAGE = 2
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def main() -> None:
    """Run the command line; a configuration that can't be used ends with code 2 and its list."""
    try:
        app()
    except ConfigurationError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False, markup=False)
        sys.exit(_USAGE)


def _settings(process: str, **overrides: object) -> Settings:
    from streams.adapters.logs import configure_logging  # noqa: PLC0415  # quick --help

    settings = load_settings(**overrides)
    configure_logging(settings, process=process)
    return settings


@app.command()
def ingress() -> None:
    """Receive webhooks, verify them and publish them to Kafka."""
    from streams.ingress.server import serve  # noqa: PLC0415  # quick --help

    raise typer.Exit(serve(_settings("ingress")))


@app.command()
def worker(
    child: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Keep checkouts, announce what happened, count the rates. Start more of them to scale."""
    settings = _settings("worker")
    if child is not None:
        from streams.worker.process import work  # noqa: PLC0415  # quick --help

        raise typer.Exit(work(settings, parent=child))
    from streams.worker.supervisor import supervise  # noqa: PLC0415  # quick --help

    raise typer.Exit(supervise())


@topics_app.command("apply")
def topics_apply(
    *,
    development: Annotated[
        bool, typer.Option(help="Lower replication to what the cluster has.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing and set what differs; safe to repeat."""
    from streams.adapters.topics import apply_topics  # noqa: PLC0415  # quick --help

    changes = apply_topics(_settings("topics"), is_development=development)
    if as_json:
        typer.echo(json.dumps([{"topic": c.topic, "what": c.what} for c in changes]))
        return
    for change in changes:
        typer.echo(f"{change.topic}: {change.what}")
    if not changes:
        typer.echo("All topics are as the table says.")


@topics_app.command("check")
def topics_check(
    *,
    development: Annotated[bool, typer.Option(help="Don't compare replication.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the cluster's topics with the table; exit code 1 if something differs."""
    from streams.adapters.topics import check_topics  # noqa: PLC0415  # quick --help

    problems = check_topics(_settings("topics"), is_development=development)
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


if __name__ == "__main__":
    main()
