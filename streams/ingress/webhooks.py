"""The endpoint: every request gets one answer, in time, and 200 means that Kafka has it.

Invariants: no answer is later than Wix waits, because a timer answers 503 to what Kafka has not
acknowledged, whatever Kafka does; what is in flight is bounded; nothing of a token, a key or a
payload is in an answer or a log line.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from streams.adapters.dead_letters import dead_letter_headers
from streams.adapters.errors import InvalidMessage
from streams.adapters.source_topic import source_record
from streams.adapters.tokens import NotATokenError, RefusedTokenError, Verified, Verifier
from streams.adapters.wix import OtherEvent, read_webhook
from streams.domain.events import Origin
from streams.ingress.answers import ACCEPTED, Answer, accepted, refused
from streams.ingress.publisher import KafkaBusyError, Publisher

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.ingress.metrics import IngressMetrics
    from streams.ingress.pulse import Pulse

log = structlog.get_logger(__name__)

LARGEST_BODY: Final = 1 << 20
_SOURCE: Final = "wix.abandoned-checkouts.v1"
_DEAD_LETTERS: Final = "checkout-recovery.dead-letters.v1"
_BODY_SECONDS: Final = 0.9
#: Read even when we refuse; webhooks are a tenth of it.
_USUAL_BODY: Final = 32_768
#: Bytes of unfinished bodies of all clients together.
_MOST_BUFFERED: Final = 64 << 20
#: The loop looks at its timers between rounds only: past this, new requests are refused.
_LONG_ROUND: Final = 0.15
_PATH: Final = "/webhooks/wix"


class Webhooks:
    """An RSGI application. ``verifier`` may be replaced at any time, when keys change."""

    def __init__(
        self,
        settings: Settings,
        verifier: Verifier,
        publisher: Publisher,
        pulse: Pulse,
        metrics: IngressMetrics,
    ) -> None:
        self.verifier = verifier
        self.is_draining = False
        self.in_flight = 0
        self._publisher = publisher
        self._pulse = pulse
        self._buffered = 0
        self._metrics = metrics
        self._most_in_flight = settings.ingress_max_in_flight
        self._deadline_seconds = settings.ingress_deadline_ms / 1000
        self._late_seconds = self._deadline_seconds / 2
        self._source = settings.topic(_SOURCE)
        self._dead_letters = settings.topic(_DEAD_LETTERS)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:  # noqa: ANN401  # RSGI's objects
        """Answer one request."""
        started = self._pulse.earliest_arrival
        self.in_flight += 1
        try:
            answer = await self._answer(scope, protocol, started)
        except Exception as error:  # noqa: BLE001  # the top of a request: Wix resends it
            # its message might quote the payload, so only where it came from is told
            where = traceback.extract_tb(error.__traceback__)[-1]
            log.error(  # noqa: TRY400  # see above
                "webhook_failed", error=type(error).__name__, at=f"{where.name}:{where.lineno}"
            )
            answer = refused(500, "internal_error")
        finally:
            self.in_flight -= 1
        if answer.is_final:
            self._metrics.answers.labels(str(answer.status), answer.reason).inc()
            self._metrics.seconds.observe(time.monotonic() - started)
        protocol.response_bytes(answer.status, answer.headers, answer.body)

    async def _answer(self, scope: Any, protocol: Any, started: float) -> Answer:  # noqa: ANN401  # RSGI's objects
        if scope.path != _PATH:
            return self._probe(scope)
        if scope.method != "POST":
            return refused(405, "method_not_allowed", allow="POST")
        declared = scope.headers.get("content-length") or ""
        size = int(declared) if declared.isdigit() else 0
        if size > LARGEST_BODY:
            return refused(413, "body_too_large")
        unavailable = self._why_unavailable(started)
        if unavailable and not 0 < size <= _USUAL_BODY:
            return refused(503, unavailable)
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await self._read(protocol)
        except TimeoutError:
            return refused(408, "body_too_slow")
        except RuntimeError:  # RSGI's errors: the client has gone
            return refused(400, "body_incomplete")
        if isinstance(body, Answer):
            return body
        if unavailable or self._is_late(started):
            # only now: an unread body would cost the client its connection
            return refused(503, unavailable or "overloaded")
        return await self._handle(body.rstrip(b"\r\n"), scope, started)

    def _why_unavailable(self, started: float) -> str:
        if self.is_draining:
            return "draining"
        if self.in_flight > self._most_in_flight or self._publisher.is_stuck(started):
            return "overloaded"
        return "overloaded" if self._is_late(started) else ""

    def _is_late(self, started: float) -> bool:
        """Whether to refuse before the costly part, so that those behind are not late as well."""
        now = time.monotonic()
        return now - started > self._late_seconds or self._pulse.round_seconds(now) > _LONG_ROUND

    async def _read(self, protocol: Any) -> bytes | Answer:  # noqa: ANN401  # RSGI's protocol
        """The body; an answer as soon as there is too much of it, without reading on."""
        chunks = []
        size = 0
        try:
            async for chunk in protocol:
                size += len(chunk)
                self._buffered += len(chunk)
                if size > LARGEST_BODY:
                    return refused(413, "body_too_large")
                if self._buffered > _MOST_BUFFERED:
                    return refused(503, "overloaded")
                chunks.append(chunk)
        finally:
            self._buffered -= size
        return b"".join(chunks)

    async def _handle(self, token: bytes, scope: Any, started: float) -> Answer:  # noqa: ANN401  # RSGI's objects
        received_at = datetime.now(UTC)
        begun = time.perf_counter()
        try:
            verified = self.verifier.verify(token, now=received_at.timestamp())
        except NotATokenError:
            return refused(400, "not_a_token")
        except RefusedTokenError as error:
            log.info("webhook_refused", reason=error.reason, kid=_printable(error.kid))
            return refused(401, error.reason)
        handed = time.perf_counter()
        self._metrics.verify_seconds.observe(handed - begun)
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[tuple[str, int, int] | None] = loop.create_future()

        def on_delivery(position: tuple[str, int, int] | None) -> None:
            if not delivered.done():
                delivered.set_result(position)

        try:
            answer = self._publish(verified, scope, received_at, on_delivery)
        except KafkaBusyError:
            return refused(503, "kafka_busy")
        if answer is not None:
            return answer
        late = loop.call_later(
            self._deadline_seconds - (time.monotonic() - started), on_delivery, None
        )
        position = await delivered
        late.cancel()
        if position is None:
            return refused(503, "kafka_slow")
        self._metrics.produce_seconds.observe(time.perf_counter() - handed)
        return accepted(position)

    def _publish(
        self,
        verified: Verified,
        scope: Any,  # noqa: ANN401  # RSGI's scope
        received_at: datetime,
        on_delivery: Any,  # noqa: ANN401  # see Publisher.publish
    ) -> Answer | None:
        """Hand the webhook to Kafka; an answer at once where there is nothing to publish."""
        try:
            webhook = read_webhook(verified.claims)
        except InvalidMessage as invalid:
            self._metrics.dead_letters.labels(invalid.reason).inc()
            log.warning("webhook_unreadable", reason=invalid.reason, kid=_printable(verified.kid))
            headers = dead_letter_headers(
                (("content-type", b"application/json"),),
                reason=invalid.reason,
                stage="ingress",
                at=received_at,
            )
            self._publisher.publish(
                self._dead_letters,
                None,
                verified.payload,
                headers,
                timestamp_ms=int(received_at.timestamp() * 1000),
                on_delivery=on_delivery,
            )
            return None
        if isinstance(webhook, OtherEvent):
            return ACCEPTED
        record = source_record(
            webhook,
            origin=Origin.WEBHOOK,
            received_at=received_at,
            traceparent=scope.headers.get("traceparent"),
        )
        self._publisher.publish(
            self._source,
            record.key,
            record.value,
            record.headers,
            timestamp_ms=record.timestamp_ms,
            on_delivery=on_delivery,
        )
        return None

    def _probe(self, scope: Any) -> Answer:  # noqa: ANN401  # RSGI's scope
        if scope.path not in {"/healthz", "/readyz"}:
            return refused(404, "not_found")
        if scope.method not in {"GET", "HEAD"}:
            return refused(405, "method_not_allowed", allow="GET, HEAD")
        if scope.path == "/healthz":
            return Answer(200, "alive", b'{"status":"alive"}', is_final=False)
        reason = self.why_not_ready()
        if reason:
            return refused(503, reason, is_final=False)
        return Answer(200, "ready", b'{"status":"ready"}', is_final=False)

    def why_not_ready(self) -> str:
        """Why a webhook would not be accepted now; empty: it would."""
        if self.is_draining:
            return "draining"
        if not self._publisher.is_reachable:
            return "kafka_unreachable"
        return "kafka_slow" if self._publisher.is_stuck(time.monotonic()) else ""


def _printable(kid: str) -> str:
    return "".join(letter for letter in kid if letter.isalnum() or letter in "-_.")[:64]
