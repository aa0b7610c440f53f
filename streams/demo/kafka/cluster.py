"""Three brokers of Apache Kafka, for tests of what one broker can't show."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streams.demo.kafka.broker import Broker, Jvm, Node, free_port

if TYPE_CHECKING:
    from types import TracebackType


class KafkaCluster:
    """Three combined brokers and controllers; replication 3, two in sync. A context manager."""

    def __init__(self, *, size: int = 3, jvm: Jvm | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(
            prefix="checkout-recovery-kafkas-", ignore_cleanup_errors=True
        )
        nodes = [Node(number, free_port(), free_port()) for number in range(1, size + 1)]
        self.brokers = [
            Broker(Path(self._temporary.name, str(node.number)), node, nodes, jvm or Jvm(384))
            for node in nodes
        ]

    @property
    def bootstrap_servers(self) -> str:
        """All brokers."""
        return ",".join(broker.address for broker in self.brokers)

    def start(self) -> Self:
        """Start all and wait until each answers."""
        for broker in self.brokers:
            broker.start()
        for broker in self.brokers:
            broker.wait_until_ready()
        return self

    def stop(self) -> None:
        """Stop all and remove the data."""
        for broker in reversed(self.brokers):
            broker.stop()
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
