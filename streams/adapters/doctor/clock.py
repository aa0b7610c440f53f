"""Whether this machine's clock can be trusted.

A clock that is ahead refuses genuine webhooks as expired; one that is behind dates events wrongly.
Kafka tells no client its time. So two things are looked at: what the kernel says of its own clock,
and the newest timestamps that our processes on other machines wrote.
"""

from __future__ import annotations

import ctypes
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from streams.adapters import topics
from streams.adapters.cluster import REQUEST_SECONDS, Cluster
from streams.adapters.doctor.findings import Finding, ok, problem, warning

if TYPE_CHECKING:
    from confluent_kafka.admin import ClusterMetadata

    from streams.config import Settings

_TOLERANCE: Final = timedelta(seconds=2)
_UNSYNCHRONIZED: Final = 0x0040


class _Timex(ctypes.Structure):
    """The kernel's ``struct timex`` on 64-bit Linux (adjtimex(2))."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 40),
    ]


def check_clock(settings: Settings, cluster: Cluster, metadata: ClusterMetadata) -> list[Finding]:
    """Compare the clock with the newest records, and ask the kernel of it."""
    return compare(
        now=datetime.now(UTC),
        newest=_newest(settings, cluster, metadata),
        is_synchronized=is_synchronized(),
    )


def compare(
    *, now: datetime, newest: datetime | None, is_synchronized: bool | None
) -> list[Finding]:
    """What the kernel's word and the newest record's time say of ``now``; None: not known."""
    findings = []
    if newest is not None and newest - now > _TOLERANCE:
        behind = (newest - now) // timedelta(seconds=1)
        findings.append(
            problem(
                "clock",
                f"the newest record is dated {behind} s after now: this clock is behind, or "
                "another machine's is ahead",
                "synchronize all machines (NTP, chrony)",
            )
        )
    if is_synchronized is False:
        findings.append(
            warning(
                "clock",
                "the kernel does not take its clock for synchronized",
                "run chrony or another NTP client here, or see to it that the host does",
            )
        )
    if findings:
        return findings
    kernel = "synchronized, the kernel says" if is_synchronized else "the kernel does not tell"
    records = "no record from the future" if newest else "no records to compare with"
    return [ok("clock", f"{kernel}; {records}")]


def is_synchronized() -> bool | None:
    """Whether the kernel's clock is kept by NTP or the like; None where that can't be asked."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != 8:  # noqa: PLR2004  # bytes
        return None
    timex = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0:
        return None
    return not timex.status & _UNSYNCHRONIZED


def _newest(settings: Settings, cluster: Cluster, metadata: ClusterMetadata) -> datetime | None:
    """The newest timestamp of what ingress and workers write by their own clocks."""
    request = {
        TopicPartition(name, partition): OffsetSpec.max_timestamp()
        for name in (settings.topic(topics.SOURCE), settings.topic(topics.FACTS))
        if name in metadata.topics
        for partition in metadata.topics[name].partitions
    }
    if not request:
        return None
    timestamps = []
    for answer in cluster.admin.list_offsets(request, request_timeout=REQUEST_SECONDS).values():
        try:
            timestamps.append(answer.result().timestamp)
        except KafkaException:  # told by the permissions
            continue
    newest = max(timestamps, default=-1)
    return None if newest < 0 else datetime.fromtimestamp(newest / 1000, UTC)
