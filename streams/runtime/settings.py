"""Options of the runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ClientConfig = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """How a worker runs. Durations are in the unit of the name.

    Attributes:
        client: librdkafka configuration of every client: brokers and security.
        group: consumer group; also the application's name and the root of transactional ids.
        slot: stable name of this process in the group; None: a random one, dynamic membership.
        partitions: of the source topics, tables and changelogs, all alike.
        commit_interval_ms: time between transactions.
        commit_after_events: a transaction ends earlier after so many events.
        session_timeout_ms: the group waits so long for a member that does not answer.
        transaction_timeout_ms: the broker aborts a transaction that is open for so long.
        revoke_wait_seconds: time for an event in progress when its partition has to go.
        flush_limit_seconds: longest flush; a failover takes 8 to 12 s.
        commit_limit_seconds: longest sending of offsets, and longest commit.
        batch: most records in one fetch.
        linger_ms: the producer waits so long to fill a batch; a commit sends at once. More costs
            the brokers less and an event's way to its subscriber more: docs/performance.
        largest_message: bytes of the largest record; the topics' max.message.bytes decide.
        keep_revoked_seconds: state of partitions that went is kept so long, in case that they come
            back; 0: not at all. Must be much less than the changelogs' ``delete.retention.ms``.
        rebuild_lost_state: where a changelog was lost, make the state anew out of the sources,
            sending nothing again, instead of refusing to start.
    """

    client: ClientConfig
    group: str
    slot: str | None = None
    partitions: int = 8
    commit_interval_ms: int = 100
    commit_after_events: int = 20_000
    session_timeout_ms: int = 30_000
    transaction_timeout_ms: int = 60_000
    revoke_wait_seconds: float = 5.0
    flush_limit_seconds: float = 30.0
    commit_limit_seconds: float = 20.0
    batch: int = 1000
    linger_ms: int = 5
    largest_message: int = 2_097_152
    keep_revoked_seconds: float = 600.0
    rebuild_lost_state: bool = False
