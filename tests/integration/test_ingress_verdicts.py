"""The verdict table against the running ingress on a real broker."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.adapters.topics import DEAD_LETTERS, SOURCE, apply_topics
from streams.config import Settings, load_settings
from tests.support.builders import CHECKOUT, SITE, T0, at, entity, wix_event
from tests.support.services import ingress
from tests.support.signing import (
    FAR,
    NOW,
    b64,
    by_hand,
    envelope,
    hmac_token,
    public_pem,
    sign,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.alone]

CREATED = wix_event("created", entity(), event_id="e-1", when=T0, sequence="1")
NOW_ISH = int(datetime.now(UTC).timestamp())
GOOD_CLAIMS = {"data": envelope(CREATED), "iat": NOW, "exp": FAR}


def accepted(name: str, body: str | bytes, **expected: Any) -> Any:
    return pytest.param(body, 200, expected, id=name)


def variant(slug: str, name: str, member: dict[str, Any]) -> dict[str, Any]:
    event = wix_event(slug, None, event_id=name, when=at(1))
    for known in ("createdEvent", "updatedEvent", "actionEvent", "deletedEvent"):
        event.pop(known, None)
    return {**event, **member}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in CREATED.items() if name not in names}


SOURCES = [
    accepted("created", token(CREATED)),
    accepted("updated", token(wix_event("updated", entity(), event_id="u", when=T0))),
    accepted("recovered", token(wix_event("recovered", entity(), event_id="r", when=T0))),
    accepted("deleted-empty", token(wix_event("deleted", None, event_id="d", when=T0))),
    accepted("deleted-entity", token(wix_event("deleted", entity(), event_id="d2", when=T0))),
    accepted("trailing-newline", token(CREATED) + "\r\n"),
    accepted("kid-in-header", sign(GOOD_CLAIMS, kid="any")),
    accepted("no-typ", sign(GOOD_CLAIMS, typ=None)),
    accepted("any-issuer-and-audience", token(CREATED, claims={"iss": "x", "aud": ["y"]})),
    accepted("issued-in-an-hour", token(CREATED, claims={"iat": NOW_ISH + 3600})),
    accepted("no-expiry", sign({"data": envelope(CREATED)})),
    accepted("expiry-with-fraction", token(CREATED, claims={"exp": FAR + 0.5})),
    accepted("not-before-in-the-past", token(CREATED, claims={"nbf": NOW})),
    accepted("unknown-claims", token(CREATED, claims={"extra": {"a": [1]}})),
    accepted("no-identity", token(CREATED, identity=None), identity=None),
    accepted("identity-object", token(CREATED, identity={"identityType": "APP"})),
    accepted("no-account", token(CREATED, accountInfo=None), account=None),
    accepted("no-site-id", token(CREATED, accountInfo={"accountId": "a"})),
    accepted("no-event-type", token(CREATED, eventType=None)),
    accepted("sequence-number", token({**CREATED, "entityEventSequence": 10})),
    accepted("no-sequence", token(without("entityEventSequence"))),
    accepted("no-event-id", token(without("id")), derived=True),
    accepted("no-entity-id", token(without("entityId"))),
    accepted("no-event-time", token(without("eventTime"))),
    accepted("capital-ids", token({**CREATED, "entityId": CHECKOUT.upper()})),
    accepted("unknown-fields", token({**CREATED, "new": {"x": 1}}, other="y")),
    accepted("minimal-entity", token({**CREATED, "createdEvent": {"entity": {"id": CHECKOUT}}})),
    accepted(
        "entity-as-json",
        token(variant("created", "v1", {"createdEvent": {"entityAsJson": json.dumps(entity())}})),
    ),
    accepted(
        "current-entity-as-json",
        token(variant("updated", "v2", {"updatedEvent": {"currentEntityAsJson": entity()}})),
    ),
    accepted(
        "body-as-json",
        token(
            variant(
                "recovered",
                "v3",
                {"actionEvent": {"bodyAsJson": json.dumps({"abandonedCheckout": entity()})}},
            )
        ),
    ),
    accepted("unicode", token({**CREATED, "originatedFrom": "Gänsefüßchen ✓"})),
    accepted("spaces-in-event", token(json.dumps(CREATED, indent=3))),
    accepted("event-not-in-a-string", token(CREATED, data=CREATED)),
    accepted("anonymize", token({**CREATED, "triggeredByAnonymizeRequest": True})),
    accepted("traced", token(CREATED)),
]

OTHERS = [
    pytest.param(token(CREATED, eventType="wix.ecom.v1.order_approved"), id="an-order"),
    pytest.param(token({"hello": 1}, eventType="AppInstalled"), id="app-installed"),
    pytest.param(token({**CREATED, "entityFqdn": "wix.ecom.v1.cart"}, eventType=None), id="a-cart"),
]

UNREADABLE = [
    pytest.param(sign({"iat": NOW}), "claims_unreadable", id="no-data"),
    pytest.param(sign({"data": {"a": 1}}), "claims_unreadable", id="data-object"),
    pytest.param(sign(b"[1]"), "claims_unreadable", id="claims-list"),
    pytest.param(sign(b"not json"), "claims_unreadable", id="claims-no-json"),
    pytest.param(sign({"data": "not json"}), "envelope_unreadable", id="envelope-no-json"),
    pytest.param(sign({"data": "[]"}), "envelope_unreadable", id="envelope-list"),
    pytest.param(token("not json"), "event_unreadable", id="event-no-json"),
    pytest.param(token("[1]"), "event_unreadable", id="event-list"),
    pytest.param(token(CREATED, data=None), "event_unreadable", id="no-event"),
    pytest.param(token("[" * 100_000), "event_unreadable", id="nested"),
    pytest.param(token(CREATED, instanceId=None), "site_missing", id="no-instance"),
    pytest.param(token(CREATED, instanceId=7), "site_missing", id="instance-number"),
    pytest.param(
        token({"eventTime": "x", "createdEvent": {"entity": {}}}),
        "checkout_id_missing",
        id="no-checkout-id",
    ),
    pytest.param(
        sign({"data": json.dumps({"data": '{"entityId":"a","x":"\udc00"}', "instanceId": "i"})}),
        "envelope_unreadable",
        id="half-a-surrogate",
    ),
]

REFUSED = [
    pytest.param("", 400, id="empty"),
    pytest.param("{}", 400, id="json"),
    pytest.param("a.b", 400, id="two-segments"),
    pytest.param("a.b.c", 400, id="three-letters"),
    pytest.param("é.é.é", 400, id="not-ascii"),
    pytest.param(b"\x00\xff" * 50, 400, id="bytes"),
    pytest.param(token(CREATED).replace(".", ". ", 1), 400, id="space-inside"),
    pytest.param(token(CREATED) + ".x", 400, id="four-segments"),
    pytest.param(b64(b"[1]") + "." + b64(b"{}") + "." + b64(b"x"), 400, id="header-list"),
    pytest.param(sign(GOOD_CLAIMS, key="another"), 401, id="another-key"),
    pytest.param(token(CREATED)[:-8] + "AAAAAAAA", 401, id="changed-signature"),
    pytest.param(by_hand({"alg": "none"}, json.dumps(GOOD_CLAIMS).encode(), b""), 401, id="none"),
    pytest.param(by_hand({"alg": "nOnE"}, b"{}", b"x"), 401, id="none-in-disguise"),
    pytest.param(by_hand({"typ": "JWT"}, b"{}", b"x"), 401, id="no-algorithm"),
    pytest.param(hmac_token(json.dumps(GOOD_CLAIMS).encode()), 401, id="hs256-with-public-key"),
    pytest.param(sign(GOOD_CLAIMS, alg="RS384"), 401, id="rs384"),
    pytest.param(sign(GOOD_CLAIMS, alg="PS256"), 401, id="ps256"),
    pytest.param(sign(GOOD_CLAIMS, crit=["urgent"], urgent=True), 401, id="unknown-crit"),
    pytest.param(token(CREATED, claims={"exp": NOW}), 401, id="expired"),
    pytest.param(token(CREATED, claims={"exp": str(FAR)}), 401, id="expiry-text"),
    pytest.param(token(CREATED, claims={"exp": None}), 401, id="expiry-null"),
    pytest.param(token(CREATED, claims={"exp": True}), 401, id="expiry-true"),
    pytest.param(token(CREATED, claims={"iat": "now"}), 401, id="issued-text"),
    pytest.param(token(CREATED, claims={"nbf": FAR}), 401, id="not-yet"),
    pytest.param(token(CREATED, claims={"nbf": []}), 401, id="not-before-list"),
]


@dataclass(frozen=True, slots=True)
class Running:
    settings: Settings
    host: str

    def post(
        self,
        body: str | bytes,
        *,
        path: str = "/webhooks/wix",
        method: str = "POST",
        **headers: str,
    ) -> tuple[int, dict[str, str], bytes, float]:
        connection = http.client.HTTPConnection(self.host, timeout=5)
        started = time.monotonic()
        connection.request(method, path, body.encode() if isinstance(body, str) else body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, content, time.monotonic() - started


@pytest.fixture(scope="module")
def running(bootstrap_servers: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory: Path = tmp_path_factory.mktemp("ingress")
    (directory / "app.pem").write_text(public_pem())
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix="verdicts.")
    apply_topics(settings, is_development=True)
    with ingress(settings, directory / "app.pem", directory / "log", LOG_LEVEL="debug") as (url, _):
        yield Running(settings, urlsplit(url).netloc)


def record_at(settings: Settings, position: str, topic: str) -> Any:
    name, partition, offset = position.rsplit("-", 2)
    assert name == settings.topic(topic)
    reader = Consumer(
        {"bootstrap.servers": settings.bootstrap_servers, "group.id": f"{name}.reader"}
    )
    reader.assign([TopicPartition(name, int(partition), int(offset))])
    message = reader.poll(10)
    reader.close()
    assert message is not None
    assert message.error() is None
    assert message.offset() == int(offset)
    return message


@pytest.mark.parametrize(("body", "status", "expected"), SOURCES)
def test_a_good_webhook_is_in_the_topic_when_it_is_answered(
    running: Running, body: str, status: int, expected: dict[str, Any]
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer, headers, content, seconds = running.post(
        body, traceparent=trace, **{"Content-Type": "text/plain"}
    )
    assert (answer, content) == (status, b"{}")
    assert seconds < 1.25
    message = record_at(running.settings, headers["x-checkout-recovery-position"], SOURCE)
    claims = json.loads(_payload(body))
    wrapped = json.loads(claims["data"])
    inner = wrapped["data"]
    if isinstance(inner, str):
        assert message.value() == inner.encode(), "byte for byte"
    else:
        assert json.loads(message.value()) == inner
    assert message.key() == CHECKOUT.encode()
    found = {name: value.decode() for name, value in message.headers()}
    assert found["ce_specversion"] == "1.0"
    assert found["ce_subject"] == CHECKOUT
    assert found["ce_instanceid"] == SITE
    assert found["ce_source"] == f"/wix/instances/{SITE}"
    assert found["ce_type"].startswith("wix.ecom.v1.abandoned_checkout_")
    assert found["content-type"] == "application/json"
    assert found["traceparent"] == trace
    assert found["ce_origin"] == "webhook"
    assert found["ce_receivedtime"].endswith("Z")
    event = json.loads(message.value())
    if not expected.get("derived"):
        assert found["ce_id"] == event["id"]
    assert found.get("ce_time") == event.get("eventTime")
    assert ("ce_identity" in found) == ("identity" in wrapped)
    assert ("ce_accountinfo" in found) == ("accountInfo" in wrapped)
    assert found.get("ce_originatedfrom") == event.get("originatedFrom")


def test_the_partition_is_the_one_a_java_client_chooses(running: Running) -> None:
    _, headers, _, _ = running.post(token(CREATED))
    partition = int(headers["x-checkout-recovery-position"].rsplit("-", 2)[1])
    assert partition == (murmur2(CHECKOUT.encode()) & 0x7FFFFFFF) % 8


@pytest.mark.parametrize("body", OTHERS)
def test_another_event_type_is_answered_200_and_not_kept(running: Running, body: str) -> None:
    status, headers, content, _ = running.post(body)
    assert (status, content) == (200, b"{}")
    assert "x-checkout-recovery-position" not in headers


@pytest.mark.parametrize(("body", "reason"), UNREADABLE)
def test_a_genuine_but_unreadable_webhook_is_in_the_dead_letter_topic(
    running: Running, body: str, reason: str
) -> None:
    status, headers, content, seconds = running.post(body)
    assert (status, content) == (200, b"{}")
    assert seconds < 1.25
    message = record_at(running.settings, headers["x-checkout-recovery-position"], DEAD_LETTERS)
    assert message.value() == _payload(body), "the verified claims, not the token"
    found = {name: value.decode() for name, value in message.headers()}
    assert found["dead_letter_reason"] == reason
    assert found["dead_letter_stage"] == "ingress"
    assert found["dead_letter_time"].endswith("Z")


@pytest.mark.parametrize(("body", "expected"), REFUSED)
def test_a_bad_webhook_is_refused(running: Running, body: str | bytes, expected: int) -> None:
    status, headers, content, seconds = running.post(body)
    assert status == expected
    assert seconds < 1.25
    assert set(json.loads(content)) == {"error"}
    assert "x-checkout-recovery-position" not in headers


def test_the_table_has_at_least_sixty_bodies() -> None:
    assert len(SOURCES) + len(OTHERS) + len(UNREADABLE) + len(REFUSED) >= 60


def test_other_paths_and_methods_are_named(running: Running) -> None:
    assert running.post("x", path="/elsewhere")[0] == 404
    status, headers, _, _ = running.post("", method="GET")
    assert (status, headers["allow"]) == (405, "POST")
    assert running.post("", path="/healthz", method="GET")[0] == 200
    assert running.post("", path="/readyz", method="GET")[0] == 200


def test_a_declared_large_body_is_refused_without_reading_on(running: Running) -> None:
    connection = http.client.HTTPConnection(running.host, timeout=5)
    connection.putrequest("POST", "/webhooks/wix")
    connection.putheader("Content-Length", str(2 << 20))
    connection.endheaders()
    connection.send(b"x" * 1000)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_streamed_large_body_is_refused(running: Running) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    connection = http.client.HTTPConnection(running.host, timeout=5)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request(
            "POST", "/webhooks/wix", chunks(), {"Transfer-Encoding": "chunked"}, encode_chunked=True
        )
    assert connection.getresponse().status == 413
    connection.close()


def test_a_slow_client_is_cut_off(running: Running) -> None:
    connection = http.client.HTTPConnection(running.host, timeout=5)
    connection.putrequest("POST", "/webhooks/wix")
    connection.putheader("Content-Length", "5000")
    connection.endheaders()
    connection.send(b"x")
    started = time.monotonic()
    assert connection.getresponse().status == 408
    assert time.monotonic() - started < 1.25
    connection.close()


def murmur2(data: bytes) -> int:
    """Kafka's, after org.apache.kafka.common.utils.Utils.murmur2 (described in KIP-480)."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    for start in range(0, len(data) // 4 * 4, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ (k >> 24)) * m & mask)
    rest = data[len(data) // 4 * 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)


def _payload(body: str) -> bytes:
    segment = body.strip().split(".")[1]
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
