"""Ingress and worker on a broker that speaks TLS only, and asks for certificates."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from streams.adapters.topics import EVENTS, apply_topics
from streams.config import Settings, load_settings
from streams.demo.kafka import KafkaCluster
from streams.demo.kafka.ports import free_port
from tests.support.certificates import authority, issue
from tests.support.services import Process, environment, ingress, read_all, wait_until
from tests.support.shop import Shop
from tests.support.signing import public_pem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from streams.demo.kafka.broker import Node

pytestmark = pytest.mark.kafka


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a client with a certificate; the broker's TLS listener is beside its own."""
    port, root = free_port(), authority()
    (tmp_path / "ca.pem").write_bytes(root.certificate_pem())
    server = issue("broker", root).write(tmp_path / "server.pem")
    client = issue("client", root)
    (tmp_path / "client.key").write_bytes(client.key_pem())
    (tmp_path / "client.pem").write_bytes(client.certificate_pem())

    def listeners(node: Node) -> Mapping[str, str]:
        ours = f"PLAINTEXT://127.0.0.1:{node.port},SSL://127.0.0.1:{port}"
        return {
            "listeners": f"{ours},CONTROLLER://127.0.0.1:{node.controller_port}",
            "advertised.listeners": ours,
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(tmp_path / "ca.pem"),
            "ssl.client.auth": "required",
        }

    with KafkaCluster(size=1, properties=listeners):
        yield load_settings(
            bootstrap_servers=f"127.0.0.1:{port}",
            security_protocol="SSL",
            ssl_ca_file=tmp_path / "ca.pem",
            ssl_cert_file=tmp_path / "client.pem",
            ssl_key_file=tmp_path / "client.key",
        )


def test_a_webhook_is_announced_over_tls_with_client_certificates(
    tls: Settings, tmp_path: Path
) -> None:
    apply_topics(tls, is_development=True)
    keys = tmp_path / "app.pem"
    keys.write_text(public_pem())
    secured = {
        "SECURITY_PROTOCOL": "SSL",
        "SSL_CA_FILE": str(tls.ssl_ca_file),
        "SSL_CERT_FILE": str(tls.ssl_cert_file),
        "SSL_KEY_FILE": str(tls.ssl_key_file),
    }
    worker = Process(
        ["worker"], environment(tls, WORKER_SLOT="0", **secured), tmp_path / "worker.log"
    )
    try:
        with ingress(tls, keys, tmp_path / "ingress.log", **secured) as (url, _):
            Shop(f"{url}/webhooks/wix").tell(str(uuid.uuid4()), "created")
            wait_until(lambda: len(read_all(tls, EVENTS)) == 1, 60, worker.text)
    finally:
        assert worker.stop() == 0
