"""The endpoint: every request gets one answer, in time, and 200 means that Kafka has it.

Invariants: no answer is later than Wix waits, because what Kafka has not acknowledged at the
deadline is answered 503, whatever Kafka does; what is in flight is bounded; nothing of a token, a
key or a payload is in an answer or a log line.
"""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from streams.adapters.dead_letters import dead_letter_headers
from streams.adapters.errors import InvalidMessage
from streams.adapters.source_topic import source_record
from streams.adapters.tokens import NotATokenError, RefusedTokenError, Verified, Verifier
from streams.adapters.topics import DEAD_LETTERS, SOURCE
from streams.adapters.wix import OtherEvent, read_webhook
from streams.domain.events import Origin
from streams.ingress.answers import ACCEPTED, Answer, accepted, refused
from streams.ingress.publisher import KafkaBusyError, Publisher

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.config import Settings
    from streams.ingress.metrics import IngressMetrics
    from streams.ingress.pulse import Pulse
    from streams.ingress.request import Request

log = structlog.get_logger(__name__)

#: Read even when we refuse; webhooks are a tenth of it.
_USUAL_BODY: Final = 32_768
#: The loop looks at its timers between rounds only: past this, new requests are refused.
_LONG_ROUND: Final = 0.15
_PATH: Final = b"/webhooks/wix"


class Webhooks:
    """The application of ``streams.ingress.http``.

    ``verifier`` may be replaced at any time, when keys change.
    """

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
        #: What Kafka has been handed, and when its time is over.
        self._waiting: dict[Request, float] = {}
        self._metrics = metrics
        self._most_in_flight = settings.ingress_max_in_flight
        self._deadline_seconds = settings.ingress_deadline_ms / 1000
        self._late_seconds = self._deadline_seconds / 2
        self._source = settings.topic(SOURCE)
        self._dead_letters = settings.topic(DEAD_LETTERS)
        pulse.call(self._expire)

    def begin(self, request: Request) -> Answer | None:
        """What can be said before the body is read, if anything."""
        self.in_flight += 1
        path = request.target.partition(b"?")[0]
        if path != _PATH:
            return self._probe(path, request.method)
        if request.method != b"POST":
            return refused(405, "method_not_allowed", allow="POST")
        request.mark = self._why_unavailable(request.started)
        # an unread body would cost the client its connection
        if request.mark and not 0 < request.length <= _USUAL_BODY:
            return refused(503, request.mark)
        return None

    def finish(self, request: Request) -> None:
        """Answer a request that is whole, now or when Kafka has it."""
        # before the costly part, so that those behind are not late as well
        if not request.mark and self._is_late(request.started):
            request.mark = "overloaded"
        try:
            answer = refused(503, request.mark) if request.mark else self._handle(request)
        except Exception as error:  # noqa: BLE001  # the top of a request: Wix resends it
            # its message might quote the payload, so only where it came from is told
            where = traceback.extract_tb(error.__traceback__)[-1]
            log.error(  # noqa: TRY400  # see above
                "webhook_failed", error=type(error).__name__, at=f"{where.name}:{where.lineno}"
            )
            answer = refused(500, "internal_error")
        if answer is not None:
            self.respond(request, answer)

    def respond(self, request: Request, answer: Answer) -> None:
        """Answer and count it."""
        self.in_flight -= 1
        if answer.is_final:
            self._metrics.answered(answer.status, answer.reason)
            self._metrics.seconds.observe(time.monotonic() - request.started)
        request.respond(answer)

    def _why_unavailable(self, started: float) -> str:
        if self.is_draining:
            return "draining"
        if self.in_flight > self._most_in_flight or self._publisher.is_stuck(started):
            return "overloaded"
        return "overloaded" if self._is_late(started) else ""

    def _is_late(self, started: float) -> bool:
        now = time.monotonic()
        return now - started > self._late_seconds or self._pulse.round_seconds(now) > _LONG_ROUND

    def _handle(self, request: Request) -> Answer | None:
        """An answer, or None where Kafka's comes first."""
        received_at = datetime.now(UTC)
        begun = time.perf_counter()
        try:
            verified = self.verifier.verify(
                request.body.rstrip(b"\r\n"), now=received_at.timestamp()
            )
        except NotATokenError:
            return refused(400, "not_a_token")
        except RefusedTokenError as error:
            log.info("webhook_refused", reason=error.reason, kid=_printable(error.kid))
            return refused(401, error.reason)
        handed = time.perf_counter()
        self._metrics.verify_seconds.observe(handed - begun)
        try:
            answer = self._publish(
                verified, request, received_at, partial(self._delivered, request, handed)
            )
        except KafkaBusyError:
            return refused(503, "kafka_busy")
        if answer is None:  # Kafka's comes by the loop's next look at librdkafka, not before
            self._waiting[request] = request.started + self._deadline_seconds
        return answer

    def _delivered(
        self, request: Request, handed: float, position: tuple[str, int, int] | None
    ) -> None:
        """Kafka has it, or not; unless its time was over before."""
        if self._waiting.pop(request, None) is None:
            return
        if position is None:
            self.respond(request, refused(503, "kafka_slow"))
        else:
            self._metrics.produce_seconds.observe(time.perf_counter() - handed)
            self.respond(request, accepted(position))

    def _expire(self, now: float) -> None:
        """Answer those whose time is over."""
        for request in [one for one, deadline in self._waiting.items() if deadline <= now]:
            del self._waiting[request]
            self.respond(request, refused(503, "kafka_slow"))

    def _publish(
        self,
        verified: Verified,
        request: Request,
        received_at: datetime,
        on_delivery: Callable[[tuple[str, int, int] | None], None],
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
            traceparent=request.traceparent,
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

    def _probe(self, path: bytes, method: bytes) -> Answer:
        if path not in {b"/healthz", b"/readyz"}:
            return refused(404, "not_found")
        if method not in {b"GET", b"HEAD"}:
            return refused(405, "method_not_allowed", allow="GET, HEAD")
        if path == b"/healthz":
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
