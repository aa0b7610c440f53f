"""The topology: two agents, two tables, and the topics between them. Declares, starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.adapters import topics
from streams.domain.law import Law
from streams.runtime import ExitCode
from streams.worker.measuring import Measuring
from streams.worker.poison import PoisonWatch
from streams.worker.records import Incoming, Outgoing, Target
from streams.worker.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from streams.config import Settings
    from streams.runtime import RuntimeApp
    from streams.worker.metrics import WorkerMetrics


@dataclass(frozen=True, slots=True)
class Topology:
    """What was declared."""

    tracking: Tracking
    measuring: Measuring


def build_topology(app: RuntimeApp, settings: Settings, metrics: WorkerMetrics) -> Topology:
    """Declare the agents ``track-checkouts`` and ``measure-conversion`` on the application.

    ::

        source ──▶ track-checkouts ──▶ events
                    │ table: checkouts
                    └─▶ facts ──▶ measure-conversion ──▶ conversion
                                   table: cohorts
    """
    law = Law(settings.windows, settings.horizon, settings.announce_within)
    tracking, measuring = Tracking(law, metrics), Measuring(law, metrics)
    outputs = {target: app.topic(settings.topic(target.value)) for target in Target}
    checkouts = _table(app, "checkouts")
    cohorts = _table(app, "cohorts")

    async def send(records: list[Outgoing], watch: PoisonWatch) -> None:
        for record in records:
            await outputs[record.target].send(
                key=record.key, value=record.value, headers=record.headers
            )
        is_unreadable = any(record.target is Target.DEAD_LETTERS for record in records)
        if watch.is_storm(is_unreadable=is_unreadable):
            app.abandon(ExitCode.POISON_STORM, "half of a thousand records could not be read")

    @app.agent(app.topic(settings.topic(topics.SOURCE)), name="track-checkouts")  # type: ignore[untyped-decorator]  # Faust is untyped here
    async def track_checkouts(stream: Any) -> None:  # noqa: ANN401  # a Faust stream
        watch = PoisonWatch()
        async for event in stream.events():
            await send(tracking.process(_incoming(event), checkouts), watch)

    @app.agent(outputs[Target.FACTS], name="measure-conversion")  # type: ignore[untyped-decorator]  # Faust is untyped here
    async def measure_conversion(stream: Any) -> None:  # noqa: ANN401  # a Faust stream
        watch = PoisonWatch()
        async for event in stream.events():
            await send(measuring.process(_incoming(event), cohorts), watch)

    async def forget(*_args: object, **_kwargs: object) -> None:
        tracking.forget()
        measuring.forget()

    app.on_partitions_revoked.connect(forget, weak=False)
    app.on_partitions_assigned.connect(forget, weak=False)
    return Topology(tracking, measuring)


def _table(app: RuntimeApp, name: str) -> MutableMapping[bytes, bytes]:
    table: MutableMapping[bytes, bytes] = app.Table(name, partitions=app.runtime.partitions)
    return table


def _incoming(event: Any) -> Incoming:  # noqa: ANN401  # the runtime's event
    message = event.message
    return Incoming(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=message.headers,
        timestamp_ms=message.timestamp_ms,
    )
