"""What Faust could ask of its consumer, and must not get here: it does nothing, or fails loudly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from faust.types.tuples import TP

from tests.component.runtime.standins import an_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.runtime.membership import GroupConsumer

SOURCE = TP("in", 0)


@pytest.fixture
async def consumer() -> GroupConsumer:
    found: GroupConsumer = an_app().consumer
    return found


@pytest.mark.parametrize(
    "call",
    [
        lambda consumer: consumer.create_topic("t", 1, 1),
        lambda consumer: consumer.seek_wait({SOURCE: 0}),
        lambda consumer: consumer._seek(SOURCE, 0),  # noqa: SLF001  # Faust's abstract methods
        lambda consumer: consumer._commit({SOURCE: 0}),  # noqa: SLF001
        lambda consumer: consumer._getmany(set(), timeout=1),  # noqa: SLF001
    ],
)
async def test_what_would_go_round_the_transaction_fails_loudly(
    consumer: GroupConsumer, call: Callable[[GroupConsumer], Any]
) -> None:
    with pytest.raises(RuntimeError, match=r"no topics|no seek|only the committer|never fetches"):
        await call(consumer)


async def test_a_message_of_fausts_fetcher_can_not_be(consumer: GroupConsumer) -> None:
    with pytest.raises(RuntimeError, match="never fetches"):
        consumer._to_message(SOURCE, object())  # noqa: SLF001  # Faust's abstract method


async def test_positions_and_recovery_are_not_fausts(consumer: GroupConsumer) -> None:
    assert consumer.ack(object())
    await consumer.wait_empty()
    await consumer.perform_seek()
    await consumer._drain_messages(object())  # noqa: SLF001  # Faust's method
    consumer.verify_event_path(0.0, SOURCE)
    assert await consumer.seek_to_committed() == {}
    assert await consumer.earliest_offsets(SOURCE) == {}
    assert await consumer.highwaters(SOURCE) == {}
    assert consumer.highwater(SOURCE) == 0
    assert consumer.key_partition("in", b"k") is None
    assert consumer._new_topicpartition("in", 0) == SOURCE  # noqa: SLF001  # Faust's abstract method
    assert consumer.committer.positions == {}
