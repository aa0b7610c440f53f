"""The broker of `demo`, `up` and the tests: one Apache Kafka, ready when ``start`` returns."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from streams.demo.kafka.broker import Broker, BrokerError, Jvm, Node, PortTakenError
from streams.demo.kafka.ports import free_port, is_free

if TYPE_CHECKING:
    from types import TracebackType

    from streams.demo.kafka.jars import Progress

_ATTEMPTS: Final = 5


class EmbeddedKafka:
    """One broker. Use it as a context manager, or call ``start`` and ``stop``.

    The address stays the same over ``stop`` or ``kill`` and another ``start``.

    Args:
        data_dir: kept after the end; a temporary directory, removed at the end, if not given.
        port: of the listener; a free one if not given.
        jvm: size of the Java process.
        progress: told of downloads.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        port: int | None = None,
        jvm: Jvm | None = None,
        progress: Progress = lambda _done, _all, _name: None,
    ) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if data_dir is None:
            self._temporary = tempfile.TemporaryDirectory(
                prefix="checkout-recovery-kafka-", ignore_cleanup_errors=True
            )
            data_dir = Path(self._temporary.name)
        self._directory = data_dir.absolute()
        self._jvm = jvm or Jvm()
        self._progress = progress
        self._fixed_port = port
        self._broker = self._new_broker()

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to; known for sure once it has started."""
        return self._broker.address

    @property
    def pid(self) -> int:
        """The broker's process.

        Raises:
            BrokerError: it does not run.
        """
        return self._broker.pid

    def start(self) -> Self:
        """Start and wait until it answers.

        Raises:
            BrokerError: it did not start.
            JarsError: its jars can't be had.
            JavaError: there is no Java.
        """
        for _ in range(_ATTEMPTS):
            try:
                self._broker.start()
                self._broker.wait_until_ready()
            except PortTakenError:
                self._broker.kill()
                if self._fixed_port is not None and not is_free(self._fixed_port):
                    raise
                self._broker = self._new_broker()
            except BaseException:
                self._broker.kill()
                raise
            else:
                self._fixed_port = self._broker.node.port
                return self
        raise BrokerError(f"its ports were taken {_ATTEMPTS} times by others")

    def stop(self, *, grace_seconds: float = 8.0) -> None:
        """Stop cleanly, killed after the grace; remove the data if it was temporary."""
        self._broker.stop(grace_seconds=grace_seconds)
        if self._temporary:
            self._temporary.cleanup()

    def kill(self) -> None:
        """End the broker as a power cut would; ``start`` brings it back with its data."""
        self._broker.kill()

    def pause(self) -> None:
        """Freeze the broker."""
        self._broker.pause()

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self._broker.resume()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _new_broker(self) -> Broker:
        node = Node(1, self._fixed_port or free_port(), free_port())
        return Broker(self._directory, node, (), self._jvm, self._progress)
