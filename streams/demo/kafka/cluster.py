"""Three brokers of Apache Kafka, for tests of what one broker can't show."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from streams.demo.kafka.broker import Broker, BrokerError, Jvm, Node, PortTakenError
from streams.demo.kafka.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_ATTEMPTS: Final = 5


class KafkaCluster:
    """Three combined brokers and controllers; replication 3, two in sync. A context manager.

    Each of ``brokers`` can be killed, stopped, paused, resumed and started again by itself.
    ``properties`` gives each node settings of Kafka beyond ours.
    """

    def __init__(
        self,
        *,
        size: int = 3,
        jvm: Jvm | None = None,
        properties: Callable[[Node], Mapping[str, str]] = lambda _node: {},
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(
            prefix="checkout-recovery-kafkas-", ignore_cleanup_errors=True
        )
        self._size = size
        self._jvm = jvm or Jvm(384)
        self._properties = properties
        self.brokers = self._new_brokers()

    @property
    def bootstrap_servers(self) -> str:
        """All brokers; known for sure once they have started."""
        return ",".join(broker.address for broker in self.brokers)

    def start(self) -> Self:
        """Start all and wait until each answers and knows the others.

        Raises:
            BrokerError: one did not start.
            JarsError: their jars can't be had.
            JavaError: there is no Java.
        """
        for _ in range(_ATTEMPTS):
            try:
                with ThreadPoolExecutor(self._size) as pool:
                    list(pool.map(Broker.start, self.brokers))
                for broker in self.brokers:
                    broker.wait_until_ready()
            except PortTakenError:
                self._kill()
                self.brokers = self._new_brokers()
            except BaseException:
                self._kill()
                raise
            else:
                return self
        raise BrokerError(f"their ports were taken {_ATTEMPTS} times by others")

    def stop(self) -> None:
        """End all and remove the data, which therefore needs no clean stop."""
        self._kill()
        self._temporary.cleanup()

    def keep(self, directory: Path) -> None:
        """End all and copy logs and data there, a folder each: to look into what went wrong."""
        self._kill()
        shutil.copytree(self._temporary.name, directory / "brokers")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _new_brokers(self) -> list[Broker]:
        nodes = [Node(number, free_port(), free_port()) for number in range(1, self._size + 1)]
        root = Path(self._temporary.name)
        return [
            Broker(
                root / str(node.number), node, nodes, self._jvm, properties=self._properties(node)
            )
            for node in nodes
        ]

    def _kill(self) -> None:
        for broker in self.brokers:
            broker.kill()
