"""What the endpoint does when its own parts fail or the loop is behind, without a server."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from streams.adapters.keys import PublicKey
from streams.adapters.tokens import Verifier
from streams.config import load_settings
from streams.ingress.http import HttpServer
from streams.ingress.metrics import IngressMetrics
from streams.ingress.publisher import Publisher
from streams.ingress.pulse import Pulse
from streams.ingress.webhooks import Webhooks
from tests.support.builders import T0, entity, wix_event
from tests.support.clients import connect, post
from tests.support.signing import private_key, token

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BODY = token(wix_event("created", entity(), event_id="e-1", when=T0)).encode()


class Failing(Verifier):
    def verify(self, token: bytes, *, now: float) -> Any:
        raise ValueError(f"no idea what {token!r} is at {now}")


class Punctual(Pulse):
    """A loop that is never behind, however slow the machine of the test is."""

    def round_seconds(self, now: float) -> float:  # noqa: ARG002  # as it is called
        return 0.0


def endpoint(verifier: Verifier) -> tuple[Webhooks, HttpServer, IngressMetrics]:
    settings = load_settings(bootstrap_servers="127.0.0.1:1")
    pulse, metrics = Punctual(), IngressMetrics()
    webhooks = Webhooks(settings, verifier, Publisher(settings), pulse, metrics)
    return webhooks, HttpServer(webhooks, pulse), metrics


def good(tmp_path: Path) -> Verifier:
    return Verifier([PublicKey("app", tmp_path, private_key("app").public_key())])


async def test_an_unexpected_error_is_answered_500_and_told_without_the_payload(
    capsys: pytest.CaptureFixture[str],
) -> None:
    webhooks, server, _ = endpoint(Failing([]))
    connection, client = connect(server)
    connection.data_received(post(BODY))
    [(status, _, body)] = client.answers()
    assert status == 500
    assert json.loads(body) == {"error": "internal_error"}
    assert webhooks.in_flight == 0
    captured = capsys.readouterr()
    told = captured.err + captured.out
    assert "webhook_failed" in told
    assert "ValueError" in told
    assert BODY[:40].decode() not in told


async def test_a_request_that_waited_too_long_for_its_turn_is_refused_before_verifying() -> None:
    webhooks, server, metrics = endpoint(Failing([]))
    server.pulse.earliest_arrival = time.monotonic() - 0.6
    connection, client = connect(server)
    connection.data_received(post(BODY))
    [(status, headers, body)] = client.answers()
    assert (status, body) == (503, b'{"error":"overloaded"}')
    assert headers["retry-after"]
    assert not client.is_closed
    assert webhooks.in_flight == 0
    assert metrics.registry.get_sample_value(
        "checkout_recovery_ingress_answers_total", {"status": "503", "reason": "overloaded"}
    )


async def test_the_deadline_counts_from_the_arrival_and_not_from_the_turn(tmp_path: Path) -> None:
    webhooks, server, _ = endpoint(good(tmp_path))
    arrived = server.pulse.earliest_arrival = time.monotonic() - 0.2
    connection, client = connect(server)
    connection.data_received(post(BODY))
    assert client.answers() == []
    server.pulse.beat(arrived + 0.899)
    assert client.answers() == []
    server.pulse.beat(arrived + 0.901)
    [(status, _, body)] = client.answers()
    assert (status, body) == (503, b'{"error":"kafka_slow"}')
    assert webhooks.in_flight == 0


async def test_a_client_that_goes_while_kafka_is_waited_for_leaves_nothing(tmp_path: Path) -> None:
    webhooks, server, _ = endpoint(good(tmp_path))
    connection, client = connect(server)
    connection.data_received(post(BODY))
    connection.connection_lost(None)
    assert webhooks.in_flight == 1
    while webhooks.in_flight:  # noqa: ASYNC110  # the product's counter
        await asyncio.sleep(0.01)
    assert not client.written
