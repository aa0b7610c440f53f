"""A send is a record of the event in progress, and is refused where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.runtime import OutsideEventError, RuntimeSettings, make_app
from streams.runtime.context import EventScope, current_scope
from streams.runtime.topic import put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.runtime.topic import RuntimeTopic

APP = make_app(RuntimeSettings(client={}, group="g"))


@pytest.fixture
def scope() -> Iterator[EventScope]:
    """An event in progress."""
    found = EventScope()
    found.event, found.partition = object(), 3
    token = current_scope.set(found)
    yield found
    current_scope.reset(token)


@pytest.fixture
def topic() -> RuntimeTopic:
    found: RuntimeTopic = APP.topic("out")
    return found


async def test_a_send_adds_a_record_and_there_is_nothing_to_wait_for(
    scope: EventScope, topic: RuntimeTopic
) -> None:
    sent = await topic.send(key=b"k", value=b"v")
    assert await sent is sent
    called: list[object] = []
    sent.add_done_callback(called.append)
    assert called == [sent]
    assert scope.records == [("out", b"v", b"k", -1, None, None, 0, None)]


@pytest.mark.parametrize(
    ("arguments", "partition", "milliseconds", "headers"),
    [
        ({"partition": 0}, 0, 0, None),
        ({"timestamp": 1.5}, -1, 1500, None),
        ({"headers": {"a": b"1"}}, -1, 0, [("a", b"1")]),
        ({"headers": [("a", b"1"), ("a", b"2")]}, -1, 0, [("a", b"1"), ("a", b"2")]),
        ({"headers": {}}, -1, 0, None),
    ],
)
def test_partition_time_and_headers_are_librdkafkas(
    scope: EventScope,
    arguments: dict[str, Any],
    partition: int,
    milliseconds: int,
    headers: list[tuple[str, bytes]] | None,
) -> None:
    put("out", None, b"v", **arguments)
    assert scope.records == [("out", b"v", None, partition, None, None, milliseconds, headers)]


def test_a_muted_event_sends_nothing(scope: EventScope) -> None:
    scope.is_muted = True
    put("out", b"k", b"v")
    assert scope.records == []


@pytest.mark.parametrize("parts", [{"key": "k"}, {"value": 1}, {"value": bytearray(b"v")}])
async def test_what_is_not_bytes_is_refused(
    scope: EventScope, topic: RuntimeTopic, parts: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="carry bytes"):
        await topic.send(**parts)
    assert scope.records == []


async def test_outside_an_event_nothing_can_be_sent(topic: RuntimeTopic) -> None:
    with pytest.raises(OutsideEventError, match="a send outside an event"):
        await topic.send(key=b"k", value=b"v")


async def test_between_two_events_nothing_can_be_sent(
    scope: EventScope, topic: RuntimeTopic
) -> None:
    scope.event = None
    with pytest.raises(OutsideEventError):
        await topic.send(key=b"k", value=b"v")
