"""The tables of ``docs/topics.md`` and ``docs/consumers.md``, made of ``deploy/topics.yaml``.

``python -m tests.support.topics_page`` writes them anew; a test compares.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.dead_letter import DeadLetterReason
from schemas.headers import HEADERS, Header
from streams.adapters.topics import Topic, load_topics

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).parents[2] / "docs" / "topics.md"
CONSUMERS_PAGE = PAGE.with_name("consumers.md")
#: The topics that are made for subscribers.
FOR_SUBSCRIBERS = ("checkout-recovery.events.v1", "checkout-recovery.conversion.v1")


def table(head: str, rows: Iterable[str]) -> str:
    cells = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * cells, *rows])


def kept(topic: Topic) -> str:
    if topic.retention is None:
        return "the newest of each key"
    return f"{topic.retention // timedelta(days=1)} days"


def topics() -> str:
    return table(
        "| topic | what for | key | value | kept | largest | personal data | writers | readers |",
        (
            f"| `{topic.name}`{' (internal)' if topic.internal else ''} | {topic.purpose} "
            f"| {topic.key} | {topic.value} | {kept(topic)} | {topic.max_message_bytes >> 20} MiB "
            f"| {', '.join(topic.personal_data) or 'none'} | {', '.join(topic.written_by)} "
            f"| {', '.join(topic.read_by)} |"
            for topic in load_topics().topics
        ),
    )


def numbers() -> str:
    found = load_topics()
    return (
        f"Every topic has {found.partitions} partitions, {found.replication_factor} replicas and "
        f"`min.insync.replicas` {found.min_insync_replicas}."
    )


def headers(declared: tuple[Header, ...]) -> str:
    return table(
        "| header | meaning | always |",
        (
            f"| `{header.name}` | {header.description}{values(header)} "
            f"| {'yes' if header.is_required else 'no'} |"
            for header in declared
        ),
    )


def values(header: Header) -> str:
    return f" {' or '.join(f'`{value}`' for value in header.values)}" if header.values else ""


def reasons() -> str:
    return table(
        "| `dead_letter_reason` | what was wrong |",
        (f"| `{reason.value}` | {reason.description} |" for reason in DeadLetterReason),
    )


def facts() -> str:
    """The public topics side by side, for who reads them."""
    shown = [topic for topic in load_topics().topics if topic.name in FOR_SUBSCRIBERS]
    rows = {
        "what for": [topic.purpose for topic in shown],
        "key": [topic.key for topic in shown],
        "value": [topic.value for topic in shown],
        "owner": [topic.owner for topic in shown],
        "read by": [", ".join(topic.read_by) for topic in shown],
        "personal data": [", ".join(topic.personal_data) or "none" for topic in shown],
        "kept": [kept(topic) for topic in shown],
        "largest record": [f"{topic.max_message_bytes >> 20} MiB" for topic in shown],
    }
    return table(
        f"| | {' | '.join(f'`{topic.name}`' for topic in shown)} |",
        (f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()),
    )


PARTS = {
    "topics": topics,
    "numbers": numbers,
    "source-headers": lambda: headers(HEADERS["wix.abandoned-checkouts.v1"]),
    "lifecycle-headers": lambda: headers(HEADERS["checkout-recovery.events.v1"]),
    "conversion-headers": lambda: headers(HEADERS["checkout-recovery.conversion.v1"]),
    "dead-letter-headers": lambda: headers(HEADERS["checkout-recovery.dead-letters.v1"]),
    "reasons": reasons,
}


CONSUMERS_PARTS = {"facts": facts}
PAGES = {PAGE: PARTS, CONSUMERS_PAGE: CONSUMERS_PARTS}


def filled(page: Path) -> str:
    """A page with every part made anew between its markers."""
    text = page.read_text("utf-8")
    for name, make in PAGES[page].items():
        found = re.search(rf"(?<=<!-- {name} -->\n).*?(?=\n<!-- end -->)", text, re.DOTALL)
        if found is None:
            raise ValueError(f"{page} has no place for {name}")
        text = text[: found.start()] + make() + text[found.end() :]
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page), "utf-8")
