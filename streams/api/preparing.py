"""Commands for operators: tables made or changed, and the model read again from the beginning."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate as migrate_tables
from streams.adapters.database.schema import require_tables
from streams.api.consuming import Consuming
from streams.api.ends import Ends
from streams.api.metrics import ApiMetrics
from streams.api.model import Model
from streams.api.model.positions import read_positions, reset_positions

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from streams.api.model import Place
    from streams.config import Settings

_LOOK_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0
_FAILED: Final = 1


def migrate(settings: Settings) -> str:
    """Bring the tables to this release; what was done, in words.

    Raises:
        ConfigurationError: the database's URL can't be used.
        DatabaseError: it can't be reached or refuses.
    """
    engine = writing_engine(settings.database_url.get_secret_value())
    steps = migrate_tables(engine)
    engine.dispose()
    return f"Steps taken: {', '.join(steps)}." if steps else "The tables are those of this release."


def rebuild(settings: Settings) -> int:
    """Read the topics again up to where they end now, and tell on stderr how far it is.

    What is in the tables stays until it is written anew, and rows older than the log stay for good.
    Processes that run meanwhile take part. Stopped, it is gone on with by whatever runs next.

    Raises:
        ConfigurationError: a setting can't be used.
        ClusterError: Kafka does not answer.
        DatabaseError: the database can't be reached, or was not migrated.
    """
    engine = writing_engine(settings.database_url.get_secret_value())
    metrics = ApiMetrics()
    consuming = Consuming(settings, Model(engine, metrics), require_tables(engine), metrics)
    ends = Ends(settings)
    beginnings, goals = ends.bounds(ends.places())
    with engine.begin() as connection:
        reset_positions(connection)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_args: stop.set())
    consuming.start(stop.set)
    all_records = sum(goals[place] - beginnings[place] for place in goals)
    while not stop.wait(_LOOK_SECONDS):
        left = _left(engine, beginnings, goals)
        done = 100 * (all_records - left) / all_records if all_records else 100.0
        sys.stderr.write(f"{all_records - left} of {all_records} records, {done:.1f} %\n")
        if not left:
            break
    consuming.stop(_STOP_SECONDS)
    engine.dispose()
    return _FAILED if consuming.failure is not None or stop.is_set() else 0


def _left(engine: Engine, beginnings: dict[Place, int], goals: dict[Place, int]) -> int:
    with engine.connect() as connection:
        positions = read_positions(connection)
    return sum(
        max(0, goal - max(positions.get(place, 0), beginnings[place]))
        for place, goal in goals.items()
    )
