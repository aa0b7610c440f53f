"""The commands ``schemas register`` and ``schemas check``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from streams.commands.options import AsJson, settings_of

if TYPE_CHECKING:
    from streams.adapters.schema_registry import SubjectState

app = typer.Typer(
    no_args_is_help=True, help="Tell a Schema Registry of the contracts; nothing here needs one."
)


@app.command("register")
def schemas_register(*, as_json: AsJson = False) -> None:
    """Register the JSON Schemas under TOPIC-value; safe to repeat.

    Nothing is registered, and the exit code is 1, if one of them would break what is registered.
    """
    from streams.adapters.schema_registry import register_schemas  # noqa: PLC0415  # quick --help

    _tell_subjects(register_schemas(settings_of("schemas")), as_json=as_json)


@app.command("check")
def schemas_check(*, as_json: AsJson = False) -> None:
    """Compare the JSON Schemas with all that are registered; exit code 1 if one breaks something.

    One that is not registered yet leaves it 0: run it before a release, register after it.
    """
    from streams.adapters.schema_registry import check_schemas  # noqa: PLC0415  # quick --help

    _tell_subjects(check_schemas(settings_of("schemas")), as_json=as_json)


def _tell_subjects(found: list[SubjectState], *, as_json: bool) -> None:
    from streams.adapters.schema_registry import State  # noqa: PLC0415  # quick --help

    if as_json:
        rows = [{"subject": s.subject, "state": s.state.value, "what": s.what} for s in found]
        typer.echo(json.dumps(rows))
    else:
        for one in found:
            for line in one.what.splitlines():
                typer.echo(f"{one.subject}: {one.state.value}, {line}")
    raise typer.Exit(1 if any(one.state is State.BREAKS for one in found) else 0)
