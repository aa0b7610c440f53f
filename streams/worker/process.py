"""One worker process: assembles the application, its ticks, health and metrics, and runs it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.adapters import topics
from streams.adapters.health import serve_health
from streams.adapters.kafka import client_config
from streams.runtime import ExitCode, RuntimeApp, RuntimeSettings, make_app, run
from streams.worker.metrics import WorkerMetrics
from streams.worker.ticks import Ticker
from streams.worker.topology import build_topology

if TYPE_CHECKING:
    from streams.config import Settings

log = structlog.get_logger(__name__)

_REQUEST_SECONDS = 15
_REQUIRED = (
    topics.SOURCE,
    topics.EVENTS,
    topics.FACTS,
    topics.CONVERSION,
    topics.DEAD_LETTERS,
    "checkout-recovery-checkouts-changelog",
    "checkout-recovery-cohorts-changelog",
)


def create_app(
    settings: Settings, *, partitions: int, rebuild_lost_state: bool = False
) -> RuntimeApp:
    """The Faust application without agents; ``partitions`` is the source's count."""
    return make_app(
        RuntimeSettings(
            client=client_config(settings),
            group=settings.topic(topics.GROUP),
            slot=settings.worker_slot,
            partitions=partitions,
            commit_interval_ms=settings.commit_interval_ms,
            session_timeout_ms=settings.session_timeout_ms,
            transaction_timeout_ms=settings.transaction_timeout_ms,
            rebuild_lost_state=rebuild_lost_state,
        )
    )


def work(
    settings: Settings, *, parent: int | None = None, rebuild_lost_state: bool = False
) -> ExitCode:
    """Run until SIGTERM. ``parent`` is a pipe whose end of file means that the supervisor died."""
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True, name="parent").start()
    try:
        partitions, problems = check_start(settings)
    except KafkaException as error:
        log.error("kafka_unreachable", error=error.args[0].name())  # noqa: TRY400  # a state, not a defect
        return ExitCode.FETCH_FAILED
    if problems:
        for problem in problems:
            log.error("start_check_failed", problem=problem)
        return ExitCode.STARTUP_CHECK_FAILED
    metrics = WorkerMetrics()
    app = create_app(settings, partitions=partitions, rebuild_lost_state=rebuild_lost_state)
    topology = build_topology(app, settings, metrics)
    ticker = Ticker(app, settings, topology.measuring, metrics, settings.topic(topics.FACTS))
    if settings.metrics_port is not None:
        server = serve_health(
            settings.metrics_host,
            settings.metrics_port,
            registry=metrics.registry,
            readiness=lambda: "" if app.is_ready else "waiting for partitions",
        )
        log.info("health_listening", port=server.server_port)
    return run(app, beside=ticker.run)


def check_start(settings: Settings) -> tuple[int, list[str]]:
    """The source's partition count, and everything that keeps a worker from starting.

    Raises:
        KafkaException: the cluster can't be reached.
    """
    admin = AdminClient(client_config(settings))
    known = admin.list_topics(timeout=_REQUEST_SECONDS).topics
    problems = []
    source = known.get(settings.topic(topics.SOURCE))
    partitions = 0 if source is None else len(source.partitions)
    for name in map(settings.topic, _REQUIRED):
        if name not in known:
            problems.append(f"topic {name} does not exist: run `checkout-recovery topics apply`")
        elif partitions and len(known[name].partitions) != partitions:
            problems.append(
                f"topic {name} has {len(known[name].partitions)} partitions, the source has "
                f"{partitions}: all need the same count"
            )
    if settings.transaction_timeout_ms < settings.session_timeout_ms:
        problems.append(
            "CHECKOUT_RECOVERY_TRANSACTION_TIMEOUT_MS must not be less than "
            "CHECKOUT_RECOVERY_SESSION_TIMEOUT_MS: a member that is still in the group could "
            "lose its transaction"
        )
    return partitions, problems


def _end_with(parent: int) -> None:
    """End at once when the supervisor has died, however it died: another one may have started."""
    os.read(parent, 1)
    os._exit(ExitCode.MEMBERSHIP_LOST)
