"""One worker process: assembles the application, its ticks, health and metrics, and runs it."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import structlog

from streams.adapters import topics
from streams.adapters.cluster import Cluster
from streams.adapters.doctor import State, examine_start
from streams.adapters.errors import ClusterError
from streams.adapters.health import serve_health
from streams.adapters.kafka import client_config
from streams.runtime import ExitCode, RuntimeApp, RuntimeSettings, make_app, run
from streams.worker.metrics import WorkerMetrics
from streams.worker.ticks import Ticker
from streams.worker.topology import build_topology

if TYPE_CHECKING:
    from streams.config import Settings

log = structlog.get_logger(__name__)

_LOOKS: Final = 3
_LOOK_SECONDS: Final = 2.0


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
        partitions = _examined(settings)
    except ClusterError as error:
        log.error("kafka_unreachable", reason=str(error))  # noqa: TRY400  # a state, not a defect
        return ExitCode.FETCH_FAILED
    if partitions is None:
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


def _examined(settings: Settings) -> int | None:
    """The source's partition count; None if the installation can't be run as it is.

    A problem must be seen three times: a broker that has just started may not know its topics yet.

    Raises:
        ClusterError: the cluster can't be reached.
    """
    for look in range(_LOOKS):
        time.sleep(_LOOK_SECONDS if look else 0)
        metadata = Cluster(settings).metadata()
        findings = examine_start(settings, metadata)
        if not any(finding.state is State.PROBLEM for finding in findings):
            break
    for finding in findings:
        log.warning("start_check", **asdict(finding) | {"state": finding.state.value})
    if any(finding.state is State.PROBLEM for finding in findings):
        return None
    return len(metadata.topics[settings.topic(topics.SOURCE)].partitions)


def _end_with(parent: int) -> None:
    """End at once when the supervisor has died, however it died: another one may have started."""
    os.read(parent, 1)
    os._exit(ExitCode.MEMBERSHIP_LOST)
