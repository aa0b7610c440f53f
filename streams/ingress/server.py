"""The ingress process: keys, producer, HTTP server; drains on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
from typing import TYPE_CHECKING, Final

import structlog
import uvloop

from streams.adapters.health import serve_health
from streams.adapters.keys import PublicKey, load_keys, require_keys
from streams.adapters.tokens import Verifier
from streams.ingress.http import HttpServer
from streams.ingress.metrics import IngressMetrics
from streams.ingress.publisher import Publisher
from streams.ingress.pulse import Pulse
from streams.ingress.webhooks import Webhooks

if TYPE_CHECKING:
    import ssl

    from streams.config import Settings

log = structlog.get_logger(__name__)

_COLLECT_AFTER: Final = 20_000
_RELOAD_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 3.0
_FLUSH_SECONDS: Final = 4.0
_LOOK_SECONDS: Final = 0.02


def serve(settings: Settings, tls: ssl.SSLContext | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is in flight; the exit code.

    With ``tls`` it is HTTPS; the command leaves that to the load balancer in front.

    Raises:
        ConfigurationError: there is no usable public key.
    """
    keys, problems = require_keys(settings.wix_public_keys)
    for problem in problems:
        log.warning("key_unusable", file=str(problem.source), reason=problem.reason)
    return uvloop.run(_serve(settings, keys, tls))


async def _serve(settings: Settings, keys: list[PublicKey], tls: ssl.SSLContext | None) -> int:
    loop = asyncio.get_running_loop()
    stop, reload = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    metrics = IngressMetrics()
    publisher = Publisher(settings)
    pulse = Pulse()
    webhooks = Webhooks(settings, Verifier(keys), publisher, pulse, metrics)
    server = HttpServer(webhooks, pulse)
    try:
        port = server.listen(settings.ingress_host, settings.ingress_port, tls)
    except OSError as error:
        log.error("ingress_cannot_listen", reason=error.strerror)  # noqa: TRY400  # the reason says it
        return 1
    publisher.start()
    metrics.keys.set(len(keys))
    metrics.in_flight.set_function(lambda: webhooks.in_flight)
    if settings.metrics_port is not None:
        serve_health(
            settings.metrics_host,
            settings.metrics_port,
            registry=metrics.registry,
            readiness=webhooks.why_not_ready,
        )
    reloading = asyncio.create_task(_reload_keys(settings, webhooks, metrics, reload))
    waiting = asyncio.create_task(stop.wait())
    failing = asyncio.create_task(publisher.failed.wait())
    host = f"[{settings.ingress_host}]" if ":" in settings.ingress_host else settings.ingress_host
    log.info("ingress_listening", url=f"http://{host}:{port}", keys=[key.name for key in keys])
    # What was made until now lives as long as we do: the collector need not look at it again. A
    # webhook leaves nothing to it, so it need not look often.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    await asyncio.wait({reloading, waiting, failing}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if not stop.is_set():
        code = 1
        log.error("ingress_failed", reason=_why_ended(reloading))
    webhooks.is_draining = server.is_draining = True
    log.info("ingress_draining", in_flight=webhooks.in_flight)
    deadline = loop.time() + _DRAIN_SECONDS
    while webhooks.in_flight and loop.time() < deadline:  # noqa: ASYNC110  # a counter, on purpose
        await asyncio.sleep(_LOOK_SECONDS)
    left = await publisher.stop(_FLUSH_SECONDS)
    for task in (reloading, waiting, failing):
        task.cancel()
    server.close()
    log.info("ingress_stopped", unacknowledged=left)
    return code


def _why_ended(reloading: asyncio.Task[None]) -> str:
    if reloading.done():
        error = None if reloading.cancelled() else reloading.exception()
        return f"the reloading of keys ended by itself: {error or 'no reason given'}"
    return "the Kafka producer can't go on: its error is fatal"


async def _reload_keys(
    settings: Settings, webhooks: Webhooks, metrics: IngressMetrics, wanted: asyncio.Event
) -> None:
    """Use changed keys within seconds, or at once on SIGHUP; a bad change keeps the old ones."""
    loop = asyncio.get_running_loop()
    last = await loop.run_in_executor(None, load_keys, settings.wix_public_keys)
    while True:
        is_asked = True
        try:
            await asyncio.wait_for(wanted.wait(), _RELOAD_SECONDS)
        except TimeoutError:
            is_asked = False
        wanted.clear()
        found = await loop.run_in_executor(None, load_keys, settings.wix_public_keys)
        if _identity(found[0]) == _identity(last[0]) and found[1] == last[1] and not is_asked:
            continue
        last = found
        keys, problems = found
        for problem in problems:
            log.warning("key_unusable", file=str(problem.source), reason=problem.reason)
        if keys:
            webhooks.verifier = Verifier(keys)
            metrics.keys.set(len(keys))
            log.info("keys_reloaded", keys=[key.name for key in keys])
        else:
            log.error("keys_kept", reason="none of the files holds a usable key any more")


def _identity(keys: list[PublicKey]) -> list[tuple[str, int]]:
    return [(key.name, key.key.public_numbers().n) for key in keys]
