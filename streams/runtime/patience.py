"""What a restore does where somebody's transaction keeps it waiting: helps, waits, refuses.

A living owner commits within a second. One that is gone is fenced after three, see ``fencing``.
Kafka ends any other at its timeout. What is open for longer hangs: its coordinator has ended it,
and a partition does not know. Whether it was committed elsewhere only Kafka's own logs tell, and a
guess could lose events, so it is a person's work (docs/operations.md).

Invariant: refused only while Kafka answers; that it is away is no transaction's fault.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from streams.runtime.exits import ExitCode, die
from streams.runtime.fencing import end_transactions_of_the_gone

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.runtime.extents import Partition
    from streams.runtime.positions import CommittedPositions
    from streams.runtime.settings import RuntimeSettings

_HELP_SECONDS: Final = 3
#: On top of the transactions' timeout.
HANGS_SECONDS: Final = 60


class Patience:
    """The waiting of one restore; call ``went_on`` whenever it did."""

    def __init__(
        self,
        settings: RuntimeSettings,
        committed: CommittedPositions,
        own_transactional_id: str,
        hangs_seconds: float,
    ) -> None:
        self._settings = settings
        self._committed = committed
        self._own = own_transactional_id
        self._limit = settings.transaction_timeout_ms / 1000 + hangs_seconds
        self._went_on = self._helped = time.monotonic()

    def went_on(self) -> None:
        """Something moved: wait anew."""
        self._went_on = time.monotonic()

    def wait(self, sources: Collection[Partition], unread: Collection[Partition]) -> None:
        """Do what there is to do: ``sources`` can't be had as long as ``unread`` stay unread."""
        now = time.monotonic()
        if now - max(self._went_on, self._helped) >= _HELP_SECONDS:
            owners = self._committed.last_owners(sources)
            end_transactions_of_the_gone(self._settings, owners - {self._own})
            self._helped = time.monotonic()
            if not owners:
                self.went_on()  # Kafka is away, or nothing was ever committed
            elif now - self._went_on >= self._limit:
                die(
                    ExitCode.TRANSACTION_HANGS,
                    f"a transaction is open for {self._limit:.0f} s where we have to read",
                    partitions=[f"{topic}-{number}" for topic, number in sorted(unread)],
                    mend="find it by kafka-transactions.sh find-hanging and end it, see "
                    "docs/operations.md",
                )
