"""A table in an event is a dictionary whose changelog gives the same dictionary; else read-only."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime import OutsideEventError, RuntimeSettings, make_app
from streams.runtime.context import EventScope, current_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.runtime.store import RuntimeTable, Store

APP = make_app(RuntimeSettings(client={}, group="g"))
HERE, ELSEWHERE = 2, 5
KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
VALUES = st.binary(max_size=3)


def a_table(*, elsewhere: Store | None = None) -> RuntimeTable:
    """A table with two partitions; that of the event is empty."""
    table: RuntimeTable = APP.Table("counts", partitions=8)
    table.bind()
    table.stores = {ELSEWHERE: dict(elsewhere or {}), HERE: {}}
    APP.tables.clear()
    return table


@contextmanager
def an_event(partition: int = HERE) -> Iterator[EventScope]:
    scope = EventScope()
    scope.event, scope.partition = object(), partition
    token = current_scope.set(scope)
    try:
        yield scope
    finally:
        current_scope.reset(token)


def outcome(action: Callable[[], Any]) -> Any:
    """What an operation gives, or the kind of its error."""
    try:
        return action()
    except KeyError as error:
        return type(error)


def replayed(scope: EventScope) -> Store:
    """What a restore would make of the changelog."""
    store: Store = {}
    for topic, value, key, partition in scope.records:
        assert (topic, partition) == ("g-counts-changelog", HERE)
        if value is None:
            del store[key]  # a tombstone is written for what is there, and for nothing else
        else:
            store[key] = value
    return store


OPERATIONS = st.one_of(
    st.tuples(st.just("set"), KEYS, VALUES),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("pop"), KEYS),
    st.tuples(st.just("pop"), KEYS, VALUES),
    st.tuples(st.just("get"), KEYS, VALUES),
    st.tuples(st.just("read"), KEYS),
    st.tuples(st.just("setdefault"), KEYS, VALUES),
    st.tuples(st.just("update"), st.dictionaries(KEYS, VALUES)),
    st.tuples(st.just("clear")),
)


def apply(mapping: Any, operation: tuple[Any, ...]) -> Any:
    name, *rest = operation
    match name:
        case "set":
            return mapping.__setitem__(*rest)
        case "delete":
            return mapping.__delitem__(*rest)
        case "read":
            return mapping[rest[0]]
        case _:
            return getattr(mapping, name)(*rest)


@given(st.lists(OPERATIONS))
def test_in_an_event_a_table_is_a_dictionary_and_its_changelog_says_the_same(
    operations: list[tuple[Any, ...]],
) -> None:
    table, model = a_table(elsewhere={b"a": b"other", b"z": b"other"}), dict[bytes, bytes]()
    with an_event() as scope:
        for operation in operations:
            wanted = outcome(partial(apply, model, operation))
            assert outcome(partial(apply, table, operation)) == wanted
            assert dict(table.items()) == model
            assert list(table) == list(table.keys()) == list(model)
            assert list(table.values()) == list(model.values())
            assert len(table) == len(model)
            assert [key in table for key in (b"a", b"z", "a")] == [b"a" in model, False, False]
        assert replayed(scope) == model
    assert table.stores[ELSEWHERE] == {b"a": b"other", b"z": b"other"}


def test_outside_an_event_all_partitions_are_seen() -> None:
    table = a_table(elsewhere={b"z": b"1"})
    with an_event():
        table[b"a"] = b"2"
    assert dict(table.items()) == {b"z": b"1", b"a": b"2"}
    assert (len(table), table[b"z"], table.get(b"a"), table.get(b"none")) == (2, b"1", b"2", None)
    assert b"z" in table
    with pytest.raises(KeyError):
        table[b"none"]


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.__setitem__(b"z", b"2"),
        lambda table: table.__delitem__(b"z"),
        lambda table: table.pop(b"z"),
        lambda table: table.update({b"z": b"2"}),
        lambda table: table.clear(),
    ],
)
def test_outside_an_event_a_table_is_read_only(change: Callable[[RuntimeTable], object]) -> None:
    table = a_table(elsewhere={b"z": b"1"})
    with pytest.raises(OutsideEventError, match="a change of a table outside an event"):
        change(table)
    assert table.stores[ELSEWHERE] == {b"z": b"1"}


def test_between_events_of_an_agent_a_table_is_read_only_too() -> None:
    table = a_table()
    with an_event() as scope:
        scope.event = None
        with pytest.raises(OutsideEventError):
            table[b"a"] = b"1"
        assert scope.records == []


@pytest.mark.parametrize(("key", "value"), [("a", b"1"), (b"a", "1"), (b"a", None), (b"a", 1)])
def test_what_is_not_bytes_is_refused_for_a_restore_would_give_something_else(
    key: Any, value: Any
) -> None:
    table = a_table()
    with an_event() as scope:
        with pytest.raises(TypeError, match="bytes"):
            table[key] = value
        assert (scope.records, len(table)) == ([], 0)


def test_a_task_that_an_agent_starts_is_in_the_event_only_while_the_event_lasts() -> None:
    """A context is inherited by tasks: the scope is shared, and so ends for them too."""
    table = a_table()

    async def late() -> None:
        await asyncio.sleep(0)
        table[b"a"] = b"1"

    async def agent() -> None:
        with an_event() as scope:
            task = asyncio.ensure_future(late())
            scope.event = None
        with pytest.raises(OutsideEventError):
            await task

    asyncio.run(agent())
