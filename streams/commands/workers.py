"""The commands ``workers list`` and ``workers remove``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.commands.options import AsJson, settings_of

app = typer.Typer(no_args_is_help=True, help="Look at the workers' slots, and take one away.")


@app.command("list")
def workers_list(*, as_json: AsJson = False) -> None:
    """Show the slots that are members of the group, running or not yet given up.

    Example: checkout-recovery workers list
    """
    from streams.adapters.slots import slots  # noqa: PLC0415  # quick --help

    found = slots(settings_of("workers"))
    if as_json:
        typer.echo(json.dumps([{"slot": slot, "partitions": n} for slot, n in found.items()]))
        return
    table = Table("slot", "partitions")
    for slot, partitions in sorted(found.items()):
        table.add_row(slot, str(partitions))
    Console().print(table)


@app.command("remove")
def workers_remove(
    slot: Annotated[str, typer.Argument(help="The slot, as `workers list` shows it.")],
) -> None:
    """Give the partitions of a stopped worker to the others now, not after the session timeout.

    For scale-in: stop the worker, then remove its slot. One that still runs would be fenced and
    end with code 80.

    Example: checkout-recovery workers remove 3
    """
    from streams.adapters.slots import remove_slot  # noqa: PLC0415  # quick --help

    remove_slot(settings_of("workers"), slot)
    typer.echo(f"Slot {slot} has left; its partitions are being taken over.")
