"""The limit: verify, parse and produce in a bare loop, without a server, a clock or a future.

Goes round the targets of the load generator for the given seconds, waits until Kafka has
everything, and prints how many there were.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Producer
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def main() -> None:
    key = load_pem_public_key(Path(os.environ["BENCH_KEY"]).read_bytes())
    assert isinstance(key, RSAPublicKey)
    topic, seconds = os.environ["BENCH_SOURCE"], float(os.environ["BENCH_SECONDS"])
    with Path(os.environ["BENCH_TARGETS"]).open() as lines:
        tokens = [base64.b64decode(json.loads(line)["body"]) for line in lines]
    producer = Producer(
        {
            "bootstrap.servers": os.environ["BENCH_BOOTSTRAP"],
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 5,
            "delivery.report.only.error": True,
            "on_delivery": _failed,
        }
    )
    padding, digest = PKCS1v15(), SHA256()
    started = time.monotonic()
    done = 0
    while time.monotonic() - started < seconds:
        for token in tokens:
            signed, _, signature = token.rpartition(b".")
            key.verify(base64.urlsafe_b64decode(signature + b"=="), signed, padding, digest)
            payload = signed.partition(b".")[2]
            claims = orjson.loads(base64.urlsafe_b64decode(payload + b"=="))
            envelope: dict[str, Any] = orjson.loads(claims["data"])
            value = envelope["data"].encode()
            event = orjson.loads(value)
            headers = [
                ("ce_id", event["id"]),
                ("ce_type", envelope["eventType"]),
                ("ce_instanceid", envelope["instanceId"]),
                ("content-type", "application/json"),
            ]
            while True:
                try:
                    producer.produce(topic, value, event["entityId"], headers=headers)
                    break
                except BufferError:
                    producer.poll(0.01)
            done += 1
        producer.poll(0)
    if producer.flush(60):
        sys.exit("not everything was delivered")
    elapsed = time.monotonic() - started
    print(json.dumps({"done": done, "seconds": elapsed, "cpu": sum(os.times()[:2])}))  # noqa: T201  # its output


def _failed(error: Any, _message: object) -> None:
    if error is not None:
        sys.stderr.write(f"{error.str()}\n")
        os._exit(1)


if __name__ == "__main__":
    main()
