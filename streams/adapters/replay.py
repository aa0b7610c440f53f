"""Dead letters for operators: which there are and why, and sending them again after a fix.

A replay is safe to repeat: the records keep their ids and their times of receipt, so what was
processed in the meantime changes nothing. They carry ``replay`` as their origin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.adapters import topics
from streams.adapters.dead_letters import without_reason
from streams.adapters.errors import ClusterError, InvalidMessage
from streams.adapters.facts import read_fact
from streams.adapters.instants import format_instant, read_instant
from streams.adapters.kafka import client_config, producer_config
from streams.adapters.reading import read_to_end
from streams.adapters.source import read_source_event
from streams.adapters.source_topic import source_record
from streams.adapters.wix import OtherEvent, read_webhook
from streams.domain.events import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streams.config import Settings

_INGRESS: Final = "ingress"
_TRACKING: Final = "track-checkouts"
_FLUSH_SECONDS: Final = 30.0
_LARGEST: Final = 2_097_152

Headers = list[tuple[str, bytes | None]]


class Position(NamedTuple):
    """Where a dead letter stands in its topic; written ``partition-offset``."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """As people type it."""
        return f"{self.partition}-{self.offset}"

    @classmethod
    def read(cls, text: str) -> Position:
        """The position of a text.

        Raises:
            ValueError: it is none.
        """
        partition, _, offset = text.partition("-")
        if not (partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"{text!r} is no position: write partition-offset, as in 3-1207")
        return cls(int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be processed. ``source`` is where it came from, if a topic."""

    position: Position
    at: datetime
    reason: str
    stage: str
    source: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def describe(self, *, with_value: bool) -> dict[str, str | int]:
        """What an operator is shown; nothing personal unless the value is asked for."""
        about: dict[str, str | int] = {
            "position": str(self.position),
            "time": format_instant(self.at),
            "stage": self.stage,
            "reason": self.reason,
            "source": self.source,
            "bytes": len(self.value or b""),
        }
        if with_value:
            about["value"] = (self.value or b"").decode("utf-8", "replace")
        return about


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters; empty parts choose all."""

    since: datetime | None = None
    reason: str = ""
    stage: str = ""
    positions: frozenset[Position] = frozenset()

    def holds(self, letter: DeadLetter) -> bool:
        """Whether a letter is chosen."""
        return (
            (not self.reason or letter.reason == self.reason)
            and (not self.stage or letter.stage == self.stage)
            and (not self.positions or letter.position in self.positions)
        )


@dataclass(slots=True)
class Replayed:
    """What became of the letters. ``unreadable``: by reason, those that a fix has not reached."""

    sent: int = 0
    not_ours: int = 0
    unreadable: dict[str, int] = field(default_factory=dict)


def read_dead_letters(settings: Settings, selection: Selection) -> Iterator[DeadLetter]:
    """The chosen letters, from the oldest of each partition on.

    Raises:
        ClusterError: the topic can't be read.
    """
    topic = settings.topic(topics.DEAD_LETTERS)
    for message in read_to_end(client_config(settings), topic, since=selection.since):
        letter = _letter(message)
        if selection.holds(letter):
            yield letter


def replay(
    settings: Settings, letters: Iterable[DeadLetter], *, is_dry_run: bool = False
) -> Replayed:
    """Send letters to the topic that they could not pass; those still unreadable stay.

    ``is_dry_run`` reads them with today's code and sends nothing.

    Raises:
        ClusterError: Kafka did not take all of them; repeat it.
    """
    result = Replayed()
    failures: list[KafkaError] = []
    producer = Producer({**producer_config(settings), "message.max.bytes": _LARGEST})

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    for letter in letters:
        try:
            record = _record(settings, letter)
        except InvalidMessage as invalid:
            result.unreadable[invalid.reason] = result.unreadable.get(invalid.reason, 0) + 1
            continue
        if record is None:
            result.not_ours += 1
            continue
        result.sent += 1
        if not is_dry_run:
            _produce(producer, record, delivered)
    left = producer.flush(_FLUSH_SECONDS)
    if failures or left:
        why = failures[0].str() if failures else "no answer in time"
        raise ClusterError(
            f"Kafka did not take {len(failures) or left} of {result.sent} records: {why}. "
            "Repeat the replay: records that were taken change nothing a second time."
        )
    return result


class _Record(NamedTuple):
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


def _record(settings: Settings, letter: DeadLetter) -> _Record | None:
    """What to send; None: a genuine event that is none of ours.

    Raises:
        InvalidMessage: it still can't be read.
    """
    headers = without_reason(letter.headers)
    if letter.stage == _INGRESS:
        return _webhook(settings, letter)
    if letter.stage == _TRACKING:
        headers = [(name, value) for name, value in headers if name != "ce_origin"]
        headers.append(("ce_origin", Origin.REPLAY.value.encode()))
        read_source_event(
            key=letter.key,
            value=letter.value,
            headers=headers,
            timestamp_ms=letter.timestamp_ms,
        )
        topic = settings.topic(topics.SOURCE)
    else:
        read_fact(letter.value)
        topic = settings.topic(topics.FACTS)
    return _Record(topic, letter.key, letter.value, headers, letter.timestamp_ms)


def _webhook(settings: Settings, letter: DeadLetter) -> _Record | None:
    try:
        claims = orjson.loads(letter.value or b"")
    except orjson.JSONDecodeError:
        claims = None
    webhook = read_webhook(claims if isinstance(claims, dict) else None)
    if isinstance(webhook, OtherEvent):
        return None
    record = source_record(webhook, origin=Origin.REPLAY, received_at=letter.at)
    return _Record(
        settings.topic(topics.SOURCE),
        record.key,
        record.value,
        [*record.headers],
        record.timestamp_ms,
    )


def _produce(
    producer: Producer,
    record: _Record,
    on_delivery: Callable[[KafkaError | None, Message], None],
) -> None:
    while True:
        try:
            producer.produce(
                record.topic,
                record.value,
                record.key,
                headers=list(record.headers),
                timestamp=record.timestamp_ms,
                on_delivery=on_delivery,
            )
        except BufferError:
            producer.poll(1.0)
        except KafkaException as error:
            raise ClusterError(f"{record.topic}: {error.args[0].str()}") from error
        else:
            producer.poll(0)
            return


def _letter(message: Message) -> DeadLetter:
    raw = message.headers() or []
    headers: Headers = [
        (name, value.encode() if isinstance(value, str) else value)
        for name, value in (raw.items() if isinstance(raw, dict) else raw)
    ]
    why = {
        name.removeprefix("dead_letter_"): value.decode("utf-8", "replace")
        for name, value in headers
        if name.startswith("dead_letter_") and value is not None
    }
    timestamp_ms = message.timestamp()[1]
    parts = [why.get(name, "") for name in ("topic", "partition", "offset")]
    return DeadLetter(
        position=Position(message.partition() or 0, message.offset() or 0),
        at=_instant(why.get("time")) or datetime.fromtimestamp(timestamp_ms / 1000, UTC),
        reason=why.get("reason", ""),
        stage=why.get("stage", ""),
        source="-".join(parts) if parts[0] else "",
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=headers,
        timestamp_ms=timestamp_ms,
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _instant(text: str | None) -> datetime | None:
    try:
        return read_instant(text)
    except ValueError:
        return None
