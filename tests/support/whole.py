"""The whole path in memory: source records through both agents' work into the logs of an audit.

No Kafka, no Faust: the agents' plain functions on dictionaries. Offsets have gaps, as transaction
markers make them, and facts wait a little before they are counted, as another worker would
have them.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from streams.adapters.dead_letters import dead_letter_headers
from streams.adapters.errors import InvalidMessage
from streams.adapters.facts import encode_tick
from streams.adapters.source_topic import source_record
from streams.adapters.wix import OtherEvent, read_webhook
from streams.demo.audit.log import LogRecord, Logs
from streams.demo.simulator.posting import Accepted
from streams.domain.events import Origin
from streams.domain.law import Law
from streams.worker.measuring import Measuring
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Target
from streams.worker.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from streams.demo.simulator.platform import Sending
    from streams.worker.records import Outgoing

    Headers = list[tuple[str, bytes | None]]

SOURCE = "wix.abandoned-checkouts.v1"
PARTITIONS = 4


@dataclass
class Topic:
    """One topic, its records in the order of their production."""

    name: str
    random: Random
    records: list[Incoming] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def append(
        self, key: bytes | None, value: bytes | None, headers: Headers, at: datetime
    ) -> Incoming:
        return self.append_to(zlib.crc32(key or b"") % PARTITIONS, key, value, headers, at)

    def append_to(
        self, partition: int, key: bytes | None, value: bytes | None, headers: Headers, at: datetime
    ) -> Incoming:
        offset = self.ends[partition]
        self.ends[partition] = offset + self.random.choice((1, 1, 1, 2))
        record = Incoming(
            self.name, partition, offset, key, value, headers, int(at.timestamp() * 1000)
        )
        self.records.append(record)
        return record

    def log(self) -> list[LogRecord]:
        found = [
            LogRecord(
                record.topic,
                record.partition,
                record.offset,
                (record.key or b"").decode(),
                record.value or b"",
                {name: (text or b"").decode() for name, text in record.headers},
            )
            for record in self.records
        ]
        return sorted(found, key=lambda record: (record.partition, record.offset))


class Whole:
    """Feed it webhooks or source records; ``logs`` are what the topics hold then."""

    def __init__(self, random: Random, law: Law | None = None) -> None:
        law = Law() if law is None else law
        self._random = random
        self._tracking = Tracking(law, WorkerMetrics())
        self._measuring = Measuring(law, WorkerMetrics())
        self.checkouts: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        self._cohorts: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        self.source = Topic(SOURCE, random)
        self.topics = {target: Topic(target.value, random) for target in Target}
        self.accepted: list[Accepted] = []
        self._counted: dict[int, int] = defaultdict(int)

    def post(self, sending: Sending, *, received_at: datetime) -> None:
        """Do what the ingress does with a genuine webhook."""
        position = ""
        try:
            webhook = read_webhook({"data": sending.data})
        except InvalidMessage as invalid:
            headers = dead_letter_headers(
                (), reason=invalid.reason, stage="ingress", at=received_at
            )
            letters = self.topics[Target.DEAD_LETTERS]
            letter = letters.append(None, b"{}", headers, received_at)
            position = f"{letter.topic}-{letter.partition}-{letter.offset}"
            webhook = OtherEvent("")
        if not isinstance(webhook, OtherEvent):
            made = source_record(webhook, origin=Origin.WEBHOOK, received_at=received_at)
            position = self.put(made.key, made.value, [*made.headers], received_at=received_at)
        self.accepted.append(
            Accepted(
                sending.event_id,
                sending.checkout_id,
                sending.instance_id,
                sending.slug,
                position,
                sending.digest,
                says_recovered=sending.says_recovered,
            )
        )

    def put(self, key: bytes, value: bytes, headers: Headers, *, received_at: datetime) -> str:
        """Append a source record and let the workers take it in; returns its position."""
        incoming = self.source.append(key, value, headers, received_at)
        table = self.checkouts[incoming.partition]
        self._publish(self._tracking.process(incoming, table), received_at)
        if self._random.random() < 0.1:
            self.tick(received_at)
        if self._random.random() < 0.5:
            self._count(received_at)
        return f"{SOURCE}-{incoming.partition}-{incoming.offset}"

    def tick(self, at: datetime) -> None:
        """Let the owner of some facts partition say that time has passed."""
        partition = self._random.randrange(PARTITIONS)
        self.topics[Target.FACTS].append_to(partition, None, encode_tick(at), [], at)

    def finish(self, at: datetime) -> Logs:
        """Let everything be counted and published; returns the logs."""
        self._count(at)
        for second in (1, 2, 3):
            now = at + timedelta(seconds=second)
            for partition in range(PARTITIONS):
                if self._measuring.has_unpublished(partition):
                    self.topics[Target.FACTS].append_to(partition, None, encode_tick(now), [], now)
            self._count(now)
        return Logs(
            source=self.source.log(),
            facts=self.topics[Target.FACTS].log(),
            events=self.topics[Target.EVENTS].log(),
            conversion=self.topics[Target.CONVERSION].log(),
            dead_letters=self.topics[Target.DEAD_LETTERS].log(),
        )

    def _count(self, at: datetime) -> None:
        facts = self.topics[Target.FACTS].records
        for record in facts[self._counted[0] :]:
            self._counted[0] += 1
            self._publish(self._measuring.process(record, self._cohorts[record.partition]), at)

    def _publish(self, outgoing: Iterable[Outgoing], at: datetime) -> None:
        for record in outgoing:
            self.topics[record.target].append(record.key, record.value, [*record.headers], at)
