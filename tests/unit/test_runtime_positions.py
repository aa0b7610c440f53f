"""An end that is not known is never taken for an end."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from streams.runtime.positions import UnstableError, list_offsets

PARTITIONS = [("changelog", 0), ("changelog", 1)]


class Admin:
    """Answers as librdkafka's admin client does: a future for each partition."""

    def __init__(self, *answers: int | KafkaException) -> None:
        self._answers = answers

    def list_offsets(self, asked: dict[TopicPartition, OffsetSpec], **_options: Any) -> Any:
        found = {}
        for partition, answer in zip(asked, self._answers, strict=True):
            future: Future[Any] = Future()
            if isinstance(answer, int):
                future.set_result(SimpleNamespace(offset=answer))
            else:
                future.set_exception(answer)
            found[partition] = future
        return found


def asked(*answers: int | KafkaException) -> dict[tuple[str, int], int]:
    return list_offsets(Admin(*answers), PARTITIONS, OffsetSpec.latest())


def test_offsets_are_by_partition() -> None:
    assert asked(7, 0) == {("changelog", 0): 7, ("changelog", 1): 0}


def test_an_answer_without_an_offset_is_asked_for_again_and_no_empty_changelog() -> None:
    """Seen with librdkafka 2.8 after a reset connection: -1001, and no error."""
    with pytest.raises(UnstableError, match=r"did not say where \[\('changelog', 1\)\]"):
        asked(7, -1001)


def test_a_leader_that_moves_is_asked_for_again() -> None:
    with pytest.raises(UnstableError):
        asked(7, KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)))


def test_a_topic_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KafkaException):
        asked(7, KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
