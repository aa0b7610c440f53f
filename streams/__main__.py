"""The command ``checkout-recovery``: the composition root. Each command assembles one process."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.adapters.errors import ClusterError, DatabaseError, RegistryError
from streams.commands import dead_letters, schemas, topics, workers
from streams.commands.options import AsJson, settings_of
from streams.config import ConfigurationError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Wix abandoned-checkout webhooks in; recovery events and conversion rates out.",
    epilog="Settings come from CHECKOUT_RECOVERY_… variables; see docs/operations.md.",
)
app.add_typer(topics.app, name="topics")
app.add_typer(schemas.app, name="schemas")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(workers.app, name="workers")

_USAGE = 2


def main() -> None:
    """Run the command line; a configuration that can't be used ends with code 2 and its list."""
    try:
        app()
    except (ConfigurationError, ClusterError, DatabaseError, RegistryError) as error:
        Console(stderr=True).print(str(error), style="red", highlight=False, markup=False)
        sys.exit(_USAGE)


@app.command()
def ingress() -> None:
    """Receive webhooks, verify them and publish them to Kafka."""
    from streams.ingress.server import serve  # noqa: PLC0415  # quick --help

    raise typer.Exit(serve(settings_of("ingress")))


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
    settings = settings_of("worker")
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
    settings = settings_of("api")
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


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Look for what would keep an installation from working, and say how to mend it.

    Exit code 1 if there is a problem; warnings leave it 0. Changes nothing.
    """
    from streams.adapters.doctor import State, diagnose  # noqa: PLC0415  # quick --help

    findings = diagnose(settings_of("doctor"))
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
