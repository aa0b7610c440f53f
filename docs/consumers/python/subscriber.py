"""A subscriber: reads the events, prints what its campaign does, one line for each action."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
from datetime import datetime, timedelta, timezone

from campaign import Campaign
from checkout_recovery_schemas.consumer import Record, UnreadableRecordError
from confluent_kafka import Consumer, KafkaError, KafkaException


def main() -> None:
    """Read until told to stop (SIGTERM, Ctrl-C)."""
    options = arguments()
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    database = sqlite3.connect(options.state)
    campaign = Campaign(database, delay=timedelta(seconds=options.delay_seconds))
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap_servers,
            "group.id": options.group,
            "isolation.level": "read_committed",  # never act on what was taken back
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,  # the position follows the work
            "enable.partition.eof": True,  # tells when all has been read
        }
    )
    at_end: set[tuple[str, int]] = set()
    consumer.subscribe([options.topic], on_assign=lambda *_: at_end.clear())
    while not stopping:
        message = consumer.poll(0.2)
        now = options.now or datetime.now(timezone.utc)
        if message is None:
            if len(at_end) == len(consumer.assignment()) > 0:
                tell(campaign.due(now=now))
                database.commit()
        elif message.error() is None:
            at_end.discard((message.topic(), message.partition()))
            try:
                tell(campaign.handle(Record.of(message), now=now))
            except UnreadableRecordError as error:
                print(error, file=sys.stderr)  # put it aside: it will not get better
            # The action, then the state, then the position: a crash repeats the last action, and
            # never loses one. Make `start` safe to repeat by the checkout's id.
            database.commit()
            consumer.commit(message, asynchronous=False)
        elif message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # its name
            at_end.add((message.topic(), message.partition()))
        elif message.error().fatal() or not message.error().retriable():
            raise KafkaException(message.error())
    consumer.close()
    database.close()


def tell(actions: list[str]) -> None:
    """Where a real subscriber calls its CRM."""
    for action in actions:
        print(action, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", default="checkout-recovery.events.v1")
    parser.add_argument("--group", default="campaign-python")
    parser.add_argument("--state", default="campaign-python.sqlite", help="its memory, a file")
    parser.add_argument("--delay-seconds", type=float, default=3600)
    parser.add_argument(
        "--now", type=datetime.fromisoformat, help="for rehearsals: the clock stands still here"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
