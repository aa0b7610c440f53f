"""What several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.config import Settings, load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def settings_of(process: str, **overrides: object) -> Settings:
    """The settings of the environment, with logs set up for ``process``.

    Raises:
        ConfigurationError: with every problem.
    """
    from streams.adapters.logs import configure_logging  # noqa: PLC0415  # quick --help

    settings = load_settings(**overrides)
    configure_logging(settings, process=process)
    return settings
