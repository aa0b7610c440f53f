"""Does to an installation what a schedule says, and in the end mends everything."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.demo.kafka import BrokerError
from tests.chaos.installation import direct
from tests.chaos.schedule import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.demo.kafka.broker import Broker
    from tests.chaos.installation import Installation, Service
    from tests.chaos.schedule import Step

_AT_ONCE: Final = 6
_POINT_SECONDS: Final = 12.0
_READY_SECONDS: Final = 40.0
_IN_SYNC_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_DELAY_SECONDS: Final = 0.1
_STORM_SECONDS: Final = 2.0
_CUT_SECONDS: Final = 1.0


class Breaker:
    """Strikes one installation; a fault of a broker or of the network waits for the one before."""

    def __init__(self, installation: Installation, tell: Callable[[str], None]) -> None:
        self._installation = installation
        self._tell = tell
        self._brokers = threading.Lock()
        self._network = threading.Lock()
        self._stopped: set[int] = set()
        #: Faults that struck; a point that is not reached strikes nobody.
        self.struck: list[Fault] = []

    def run(self, steps: Sequence[Step]) -> None:
        """Strike at the time of each step, mend everything, return."""
        started = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            waiting = []
            for step in steps:
                time.sleep(max(0.0, started + step.at - time.monotonic()))
                waiting.append(pool.submit(self._strike, step))
            for future in waiting:
                future.result()
        self._mend()

    def _strike(self, step: Step) -> None:
        where = f" ({step.point})" if step.point else ""
        lasts = f", {step.seconds:.0f} s" if step.seconds else ""
        self._tell(f"{step.at:6.1f} s  {step.fault.value}{where}{lasts}")
        if _HOW[step.fault](self, step) is not False:
            self.struck.append(step.fault)

    # Workers

    def _kill_worker(self, step: Step) -> None:
        self._signal_inner(self._worker(step), signal.SIGKILL)

    def _kill_supervisor(self, step: Step) -> None:
        child = self._worker(step).child
        if child is not None:
            child.signal(signal.SIGKILL)

    def _restart_worker(self, step: Step) -> None:
        child = self._worker(step).child
        if child is not None:
            child.signal(signal.SIGTERM)

    def _roll_workers(self, _step: Step) -> None:
        for service in self._installation.workers[: self._installation.slots]:
            child = service.child
            if child is not None:
                child.signal(signal.SIGTERM)
                self._until(lambda child=child: child.poll() is not None, _READY_SECONDS)  # type: ignore[misc]  # bound now
            self._until(service.is_ready, _READY_SECONDS)

    def _pause_worker(self, step: Step) -> None:
        pids = self._signal_inner(self._worker(step), signal.SIGSTOP)
        time.sleep(step.seconds)
        self._continue(pids)

    def _join_and_leave(self, step: Step) -> None:
        installation = self._installation
        joined = installation.new_worker(f"joined-{int(10 * step.at)}", slot=None)
        self._until(joined.is_ready, _READY_SECONDS)
        time.sleep(step.seconds)
        installation.end(joined)

    def _storm(self, step: Step) -> None:
        installation = self._installation
        deadline, number = time.monotonic() + step.seconds, 0
        joined: list[Service] = []
        while time.monotonic() < deadline:
            number += 1
            name = f"storm-{int(10 * step.at)}-{number}"
            joined.append(installation.new_worker(name, slot=None))
            time.sleep(_STORM_SECONDS)
            if len(joined) > 1:
                installation.end(joined.pop(0))
                time.sleep(_STORM_SECONDS)
        for service in joined:
            installation.end(service)

    def _twin(self, step: Step) -> None:
        installation = self._installation
        slot = str(step.target % installation.slots)
        twin = installation.new_worker(f"twin-{int(10 * step.at)}", slot=slot)
        time.sleep(step.seconds)
        installation.end(twin)

    def _in_commit(self, step: Step, what: str) -> bool:
        service = self._worker(step)
        pids = service.inner_pids()
        if not self._at_point(service, step.point, what):
            return False
        if what == "SIGSTOP":
            time.sleep(step.seconds)
            self._continue(pids)
        return True

    def _in_restore(self, step: Step, what: str) -> bool:
        service = self._worker(step)
        path = self._installation.fault_file(service, step.point)
        path.write_text(what)
        self._signal_inner(service, signal.SIGKILL)
        if not self._until(lambda: not path.exists(), _READY_SECONDS):
            path.unlink(missing_ok=True)
            return False
        if what == "SIGSTOP":
            pids = service.inner_pids()
            time.sleep(step.seconds)
            self._continue(pids)
        return True

    def _at_point(self, service: Service, point: str, what: str) -> bool:
        path = self._installation.fault_file(service, point)
        path.write_text(what)
        if self._until(lambda: not path.exists(), _POINT_SECONDS):
            return True
        path.unlink(missing_ok=True)
        return False

    # Brokers and network

    def _slow_network(self, step: Step) -> None:
        with self._network:
            self._installation.network.delay_seconds = _DELAY_SECONDS
            time.sleep(step.seconds)
            self._installation.network.delay_seconds = 0.0

    def _cut_connections(self, step: Step) -> None:
        with self._network:
            deadline = time.monotonic() + step.seconds
            while time.monotonic() < deadline:
                self._installation.network.cut()
                time.sleep(_CUT_SECONDS)

    def _kill_broker(self, step: Step) -> None:
        with self._brokers:
            broker = self._broker(step)
            broker.kill()
            time.sleep(step.seconds)
            self._bring_back(broker)

    def _freeze_broker(self, step: Step) -> None:
        with self._brokers:
            broker = self._broker(step)
            broker.pause()
            time.sleep(step.seconds)
            broker.resume()
            self._bring_back(broker)

    def _full_disk(self, step: Step) -> None:
        """Its files may not grow any more, so each append fails as on a full disk (EFBIG)."""
        with self._brokers:
            broker = self._broker(step)
            _, hard = resource.prlimit(broker.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (1, hard))
            self._until(lambda: not broker.is_running, _POINT_SECONDS)
            time.sleep(step.seconds)
            broker.kill()  # if it still tries: the operator makes room and starts it anew
            self._bring_back(broker)

    def _roll_brokers(self, _step: Step) -> None:
        with self._brokers:
            for broker in self._installation.cluster.brokers:
                broker.stop(grace_seconds=30)
                self._bring_back(broker)

    # What they share

    def _worker(self, step: Step) -> Service:
        return self._installation.worker(step.target)

    def _broker(self, step: Step) -> Broker:
        brokers = self._installation.cluster.brokers
        return brokers[step.target % len(brokers)]

    def _bring_back(self, broker: Broker) -> None:
        deadline = time.monotonic() + _IN_SYNC_SECONDS
        while True:
            try:
                broker.start()
                broker.wait_until_ready()
            except BrokerError:
                if time.monotonic() > deadline:
                    raise
                broker.kill()
            else:
                break
        self._until(self._is_in_sync, _IN_SYNC_SECONDS)

    def _is_in_sync(self) -> bool:
        installation = self._installation
        try:
            known = AdminClient(direct(installation.settings)).list_topics(timeout=5)
        except KafkaException:
            return False
        return len(known.brokers) == len(installation.cluster.brokers) and all(
            len(partition.isrs) == len(partition.replicas)
            for topic in known.topics.values()
            for partition in topic.partitions.values()
        )

    def _signal_inner(self, service: Service, number: signal.Signals) -> list[int]:
        pids = service.inner_pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            if number is signal.SIGSTOP:
                self._stopped.add(pid)
        return pids

    def _continue(self, pids: Sequence[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            self._stopped.discard(pid)

    def _until(self, is_done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _mend(self) -> None:
        self._installation.network.delay_seconds = 0.0
        self._continue(list(self._stopped))
        for broker in self._installation.cluster.brokers:
            broker.resume()
            self._bring_back(broker)


_HOW: Final[dict[Fault, Callable[[Breaker, Step], object]]] = {
    Fault.KILL_WORKER: Breaker._kill_worker,  # noqa: SLF001  # same module
    Fault.KILL_SUPERVISOR: Breaker._kill_supervisor,  # noqa: SLF001
    Fault.RESTART_WORKER: Breaker._restart_worker,  # noqa: SLF001
    Fault.ROLL_WORKERS: Breaker._roll_workers,  # noqa: SLF001
    Fault.PAUSE_WORKER: Breaker._pause_worker,  # noqa: SLF001
    Fault.HICCUP: Breaker._pause_worker,  # noqa: SLF001
    Fault.JOIN_AND_LEAVE: Breaker._join_and_leave,  # noqa: SLF001
    Fault.REBALANCE_STORM: Breaker._storm,  # noqa: SLF001
    Fault.TWIN: Breaker._twin,  # noqa: SLF001
    Fault.KILL_IN_COMMIT: lambda breaker, step: breaker._in_commit(step, "SIGKILL"),  # noqa: SLF001
    Fault.STOP_IN_COMMIT: lambda breaker, step: breaker._in_commit(step, "SIGSTOP"),  # noqa: SLF001
    Fault.KILL_IN_RESTORE: lambda breaker, step: breaker._in_restore(step, "SIGKILL"),  # noqa: SLF001
    Fault.STOP_IN_RESTORE: lambda breaker, step: breaker._in_restore(step, "SIGSTOP"),  # noqa: SLF001
    Fault.SLOW_NETWORK: Breaker._slow_network,  # noqa: SLF001
    Fault.CUT_CONNECTIONS: Breaker._cut_connections,  # noqa: SLF001
    Fault.KILL_BROKER: Breaker._kill_broker,  # noqa: SLF001
    Fault.FREEZE_BROKER: Breaker._freeze_broker,  # noqa: SLF001
    Fault.FULL_DISK: Breaker._full_disk,  # noqa: SLF001
    Fault.ROLL_BROKERS: Breaker._roll_brokers,  # noqa: SLF001
}
