"""Whether the read model's database is there and has this release's tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from streams.adapters.database.engines import database_url, writing_engine
from streams.adapters.database.schema import require_tables
from streams.adapters.doctor.findings import Finding, ok, problem, warning
from streams.adapters.errors import DatabaseError
from streams.adapters.topics import API_GROUP
from streams.config import PREFIX, ConfigurationError

if TYPE_CHECKING:
    from streams.config import Settings


class Looked(NamedTuple):
    """What was found. ``groups``: that an API would join; None: it would not start."""

    findings: list[Finding]
    groups: list[str] | None = None


def check_database(settings: Settings) -> Looked:
    """The database of an API; ingress and workers need none. Makes no file."""
    text = settings.database_url.get_secret_value()
    try:
        url = database_url(text)
    except ConfigurationError as error:
        return Looked([problem("database", str(error), f"mend {PREFIX}DATABASE_URL")])
    kind = url.get_backend_name()
    if kind == "sqlite" and not Path(url.database or "").exists():
        missing = warning(
            "database",
            f"{url.database} does not exist: an API would not start",
            "run `checkout-recovery api --migrate`; ingress and workers need no database",
        )
        return Looked([missing])
    engine = writing_engine(text)
    try:
        identifier = require_tables(engine)
    except DatabaseError as error:
        return Looked([problem("database", str(error), "see the message")])
    finally:
        engine.dispose()
    found = f"{kind}, with the tables of this release: "
    if kind == "sqlite":  # one process, which joins no group
        return Looked([ok("database", found + (url.database or ""))], [])
    where = url.set(query={}).render_as_string(hide_password=True)
    return Looked([ok("database", found + where)], [settings.topic(API_GROUP + identifier)])
