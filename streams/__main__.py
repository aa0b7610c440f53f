"""The command ``checkout-recovery``: the composition root. Each command assembles one process."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.adapters.errors import ClusterError, DatabaseError
from streams.config import ConfigurationError, Settings, load_settings

if TYPE_CHECKING:
    from streams.adapters.replay import Selection

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
letters_app = typer.Typer(
    no_args_is_help=True, help="Look at and resend what could not be processed."
)
app.add_typer(letters_app, name="dead-letters")

_USAGE = 2
Since = Annotated[str, typer.Option(help="Not older than this: 90m, 24h, 7d.")]
Reason = Annotated[str, typer.Option(help="With this reason only, as in entity_unreadable.")]
Stage = Annotated[str, typer.Option(help="Of this stage only: ingress, track-checkouts, …")]
At = Annotated[list[str] | None, typer.Option(help="At this position, as listed; repeatable.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def main() -> None:
    """Run the command line; a configuration that can't be used ends with code 2 and its list."""
    try:
        app()
    except (ConfigurationError, ClusterError, DatabaseError) as error:
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
    *,
    rebuild_state_from_source: Annotated[
        bool,
        typer.Option(
            help="If a changelog was lost: make its state anew out of the source topics. Nothing "
            "is announced or counted again."
        ),
    ] = False,
    child: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Keep checkouts, announce what happened, count the rates. Start more of them to scale."""
    settings = _settings("worker")
    if child is not None:
        from streams.worker.process import work  # noqa: PLC0415  # quick --help

        raise typer.Exit(work(settings, parent=child, rebuild_lost_state=rebuild_state_from_source))
    from streams.worker.supervisor import supervise  # noqa: PLC0415  # quick --help

    raise typer.Exit(
        supervise(["--rebuild-state-from-source"] if rebuild_state_from_source else [])
    )


@app.command()
def api(
    *,
    migrate: Annotated[
        bool, typer.Option(help="Make or change the database's tables for this release, and end.")
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option(help="Read the topics again from their beginnings, show how far, and end."),
    ] = False,
) -> None:
    """Answer Wix's read API and the rates from our own copy. Start more of them to scale."""
    settings = _settings("api")
    if migrate:
        from streams.api.preparing import migrate as run  # noqa: PLC0415  # quick --help

        typer.echo(run(settings))
    elif rebuild:
        from streams.api.preparing import rebuild as run_rebuild  # noqa: PLC0415  # quick --help

        raise typer.Exit(run_rebuild(settings))
    else:
        from streams.api.server import serve  # noqa: PLC0415  # quick --help

        raise typer.Exit(serve(settings))


@app.command("new-token")
def make_token(
    name: Annotated[str, typer.Argument(help="Of whom it is, for logs and limits.")],
    *,
    site: Annotated[
        list[str], typer.Option(help="Instance id or Wix site id; repeatable; '*': every site.")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read (if none is given), read:personal or delete; repeatable."),
    ] = None,
) -> None:
    """Make a token for the API: on stderr to be seen once, its entry in the list on stdout."""
    from streams.api.access import token_list  # noqa: PLC0415  # quick --help

    token = token_list.new_token()
    listed = {
        "name": name,
        "sha256": token_list.hash_of(token),
        "sites": site,
        "scopes": scope or ["read"],
    }
    try:
        token_list.read_token_list(json.dumps({"tokens": [listed]}))
    except token_list.TokenListError as error:
        raise ConfigurationError(f"no token was made: {error}") from None
    typer.echo(token, err=True)
    typer.echo(json.dumps(listed))


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


@letters_app.command("list")
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
        read_dead_letters(_settings("dead-letters"), _selection(since, reason, stage, at)),
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


@letters_app.command("replay")
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

    settings = _settings("dead-letters")
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


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Look for what would keep an installation from working, and say how to mend it.

    Exit code 1 if there is a problem; warnings leave it 0. Changes nothing.
    """
    from streams.adapters.doctor import State, diagnose  # noqa: PLC0415  # quick --help

    findings = diagnose(_settings("doctor"))
    if as_json:
        rows = [
            {"check": f.check, "state": f.state.value, "what": f.what, "mend": f.mend}
            for f in findings
        ]
        typer.echo(json.dumps(rows))
    else:
        colours = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red"}
        console = Console(soft_wrap=True, highlight=False)
        for finding in findings:
            state = f"[{colours[finding.state]}]{finding.state.value:8}[/]"
            console.print(f"{state} {finding.check:12} {escape(finding.what)}")
            if finding.mend:
                console.print(f"{'':21} → {escape(finding.mend)}")
    raise typer.Exit(1 if any(f.state is State.PROBLEM for f in findings) else 0)


@app.command()
def demo(  # noqa: PLR0913  # one option each
    *,
    seconds: Annotated[
        float | None, typer.Option(help="End by itself after so long, with an audit.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Abandonments a second, all sites together.")] = 20.0,
    sites: Annotated[int, typer.Option(help="Number of simulated shops.")] = 12,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Keep the data here.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live table.")] = False,
    as_json: AsJson = False,
) -> None:
    """Everything on this machine with simulated shops: real Kafka, ingress, two workers.

    Ctrl-C stops it; then, and after --seconds, an audit recomputes everything from the log.

    Example: checkout-recovery demo --seconds 30 --plain
    """
    from streams.demo.session import DemoOptions  # noqa: PLC0415  # quick --help
    from streams.demo.session import demo as run  # noqa: PLC0415

    style = "json" if as_json else "plain" if plain or not sys.stdout.isatty() else "live"
    raise typer.Exit(
        run(
            DemoOptions(
                seconds=seconds,
                rate=rate,
                sites=sites,
                seed=seed,
                data_dir=data_dir,
                style=style,
            )
        )
    )


@app.command()
def up(  # noqa: PLR0913  # one option each
    *,
    wix_public_key: Annotated[
        list[Path], typer.Option(help="Public key of a Wix app, a PEM file; repeatable.")
    ],
    data_dir: Annotated[Path | None, typer.Option(help="Keep the data here.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of workers.")] = 2,
    ingress_port: Annotated[int | None, typer.Option(help="A free one if not given.")] = None,
    kafka_port: Annotated[int | None, typer.Option(help="A free one if not given.")] = None,
    api_port: Annotated[int | None, typer.Option(help="A free one if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Everything on this machine without simulated shops, for teams that develop a consumer.

    Example: checkout-recovery up --wix-public-key app.pem --json
    """
    from streams.demo.session import up as run  # noqa: PLC0415  # quick --help
    from streams.demo.stack import StackOptions  # noqa: PLC0415

    options = StackOptions(
        wix_public_keys=tuple(wix_public_key),
        data_dir=data_dir,
        workers=workers,
        ingress_port=ingress_port,
        kafka_port=kafka_port,
        api_port=api_port,
    )
    raise typer.Exit(run(options, as_json=as_json))


@app.command()
def simulate(  # noqa: PLR0913  # one option each
    url: Annotated[str, typer.Argument(help="Of an ingress: http://host:port/webhooks/wix.")],
    *,
    public_key: Annotated[
        Path, typer.Option(help="Where to write the public key that the ingress needs.")
    ],
    rate: Annotated[float, typer.Option(help="Abandonments a second, all sites together.")] = 10.0,
    seconds: Annotated[float | None, typer.Option(help="Stop after so long.")] = None,
    sites: Annotated[int, typer.Option(help="Number of simulated shops.")] = 12,
    recovery_share: Annotated[float, typer.Option(help="Mean share that recovers.")] = 0.25,
    duplicates: Annotated[float, typer.Option(help="Share of webhooks sent twice.")] = 0.05,
    disorder: Annotated[float, typer.Option(help="Share of webhooks held back.")] = 0.05,
    pace: Annotated[float, typer.Option(help="3600: what takes an hour takes a second.")] = 3600.0,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Post signed webhooks of simulated shops to an ingress.

    The keys are made at start: give the written public key to the ingress, which notices new files
    in a folder of keys within seconds.

    Example: checkout-recovery simulate http://127.0.0.1:8080/webhooks/wix --public-key keys/sim.pem
    """
    import asyncio  # noqa: PLC0415  # quick --help

    from streams.demo.session import simulate as run  # noqa: PLC0415
    from streams.demo.simulator.platform import Options  # noqa: PLC0415
    from streams.demo.simulator.signing import Signer  # noqa: PLC0415

    signer = Signer()
    signer.write_public_key(public_key)
    options = Options(
        seed=seed,
        sites=sites,
        recovery_share=recovery_share,
        duplicate_share=duplicates,
        disorder_share=disorder,
        pace=pace,
    )
    ledger = asyncio.run(run(url, options, signer, rate=rate, seconds=seconds))
    fields = {
        "sent": ledger.sent,
        "accepted": len(ledger.accepted),
        "answers": dict(ledger.answers),
        "given_up": ledger.given_up,
        "answer_ms_p50": round(ledger.percentile(50), 1),
        "answer_ms_p99": round(ledger.percentile(99), 1),
    }
    if as_json:
        typer.echo(json.dumps(fields))
        return
    table = Table("what", "value")
    for name, value in fields.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
