"""A restore in this process: what it loads, what it waits for, and where it goes on."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from streams.runtime import ExitCode, RuntimeSettings, positions
from streams.runtime import restore as restoring
from streams.runtime.extents import Note
from streams.runtime.kept import KeptStores
from streams.runtime.restore import Restore
from tests.support.ending import ending
from tests.support.services import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.runtime.running import Run

pytestmark = pytest.mark.kafka

Records = list[tuple[bytes | None, bytes | None]]


def settings_of(run: Run, *, rebuilds: bool = False) -> RuntimeSettings:
    return RuntimeSettings(
        client={"bootstrap.servers": run.bootstrap_servers},
        group=f"{run.name}-group",
        rebuild_lost_state=rebuilds,
    )


def a_restore(
    run: Run,
    *numbers: int,
    kept: KeptStores | None = None,
    rebuilds: bool = False,
    stands_still_seconds: float = 15,
) -> Restore:
    return Restore(
        settings_of(run, rebuilds=rebuilds),
        [run.changelog],
        {(run.source, number) for number in numbers or (0,)},
        kept,
        stands_still_seconds=stands_still_seconds,
    )


def complete(restore: Restore) -> Restore:
    deadline = time.monotonic() + 60
    while not restore.step():
        assert time.monotonic() < deadline
    return restore


def write(run: Run, records: Records, number: int = 0) -> None:
    in_order = {"enable.idempotence": True}  # else a batch that is sent again comes after the next
    producer = Producer({"bootstrap.servers": run.bootstrap_servers, **in_order})
    for key, value in records:
        producer.produce(run.changelog, value, key, number)
    producer.flush()


@contextmanager
def a_transaction(run: Run, records: Records) -> Iterator[Producer]:
    """An older owner's: its records are in the log, and it is open."""
    owner = Producer(
        {
            "bootstrap.servers": run.bootstrap_servers,
            "transactional.id": f"{run.name}-owner",
            "transaction.timeout.ms": 60_000,
        }
    )
    owner.init_transactions(60)
    owner.begin_transaction()
    for key, value in records:
        owner.produce(run.changelog, value, key, 0)
    owner.flush()
    yield owner


def test_the_last_value_of_a_key_counts_and_a_tombstone_removes_it(running: Run) -> None:
    write(running, [(b"a", b"1"), (b"b", b"1"), (None, b"no key"), (b"a", b"2"), (b"b", None)])
    write(running, [(b"c", b"3"), (b"none", None)], number=2)
    restore = complete(a_restore(running, 0, 1, 2))
    assert {number: store for (_, number), store in restore.stores.items()} == {
        0: {b"a": b"2"},
        1: {},
        2: {b"c": b"3"},
    }
    assert restore.records == 6
    assert restore.ends[running.changelog, 0] == 5
    assert set((restore.offsets or {}).values()) == {-1001}, "nothing was committed yet"


def test_an_empty_changelog_is_restored_without_a_reader(running: Run) -> None:
    assert complete(a_restore(running)).stores == {(running.changelog, 0): {}}


def test_a_restore_does_not_wait_for_the_end_of_its_connections(
    running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Librdkafka takes a second for each, and so would every takeover."""
    is_over = threading.Event()
    closing: list[Consumer] = []

    class Lasting(Consumer):  # type: ignore[misc]  # untyped
        def close(self) -> None:
            closing.append(self)
            assert is_over.wait(60)
            super().close()

    monkeypatch.setattr(restoring, "Consumer", Lasting)
    monkeypatch.setattr(positions, "Consumer", Lasting)
    write(running, [(b"a", b"1")])
    restore = complete(a_restore(running))
    assert restore.stores == {(running.changelog, 0): {b"a": b"1"}}
    wait_until(lambda: len(closing) == 2, 10)  # the reader and the connection for positions
    assert not is_over.is_set(), "both are still there"
    is_over.set()


def test_an_interrupted_restore_is_gone_on_with(running: Run) -> None:
    count = 35_000
    records: Records = [(b"%d" % (n % 7000), b"%d" % n) for n in range(count)]
    write(running, records)
    kept = KeptStores(60)
    first = a_restore(running, kept=kept)
    while not first.records:
        assert not first.step()
    first.give_up()
    assert first.records < count, "it was interrupted"
    second = complete(a_restore(running, kept=kept))
    assert second.continued == 1
    assert first.records + second.records == count, "nothing was read twice"
    assert second.stores[running.changelog, 0] == dict(records)


def test_a_restore_that_is_given_up_before_it_began_keeps_nothing(running: Run) -> None:
    kept = KeptStores(60)
    a_restore(running, kept=kept).give_up()
    assert kept.take((running.changelog, 0)) is None


def test_aborted_records_are_not_loaded_and_end_no_restore_early_or_never(running: Run) -> None:
    write(running, [(b"a", b"1")])
    with a_transaction(running, [(b"a", b"aborted"), (b"b", b"aborted")]) as owner:
        owner.abort_transaction(30)

    def has_the_marker() -> bool:
        """One record, two aborted ones, and their marker, which comes a little later."""
        restore = complete(a_restore(running))
        assert restore.stores[running.changelog, 0] == {b"a": b"1"}
        return restore.ends[running.changelog, 0] == 4

    wait_until(has_the_marker, 30)


def test_a_restore_waits_for_an_older_owners_open_transaction_and_says_so(running: Run) -> None:
    write(running, [(b"a", b"1")])
    restore = a_restore(running, stands_still_seconds=1)
    with a_transaction(running, [(b"a", b"2")]) as owner, capture_logs() as logs:
        said: set[str] = set()
        deadline = time.monotonic() + 60
        while said < {"restoring", "restore_reader_replaced"}:
            assert not restore.step()
            assert time.monotonic() < deadline
            said = {entry["event"] for entry in logs}
        assert restore.stores[running.changelog, 0] == {b"a": b"1"}
        owner.commit_transaction(30)
    complete(restore)
    assert restore.stores[running.changelog, 0] == {b"a": b"2"}
    assert restore.records == 2, "a new reader goes on where the old one was"


def test_a_restore_begins_when_an_older_owners_offsets_are_stable(running: Run) -> None:
    member = Consumer(
        {"bootstrap.servers": running.bootstrap_servers, "group.id": f"{running.name}-group"}
    )
    restore = a_restore(running)
    with a_transaction(running, [(b"a", b"1")]) as owner:
        owner.send_offsets_to_transaction(
            [TopicPartition(running.source, 0, 7)], member.consumer_group_metadata(), 30
        )
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert not restore.step()
            assert restore.offsets is None
        owner.commit_transaction(30)
    member.close()
    complete(restore)
    assert restore.offsets == {(running.source, 0): 7}
    assert restore.stores[running.changelog, 0] == {b"a": b"1"}


def test_a_changelog_that_lost_its_beginning_is_emptied_and_made_anew(running: Run) -> None:
    write(running, [(b"a", b"1"), (b"b", b"1"), (b"c", b"1")])
    running.commit_offset(0, 9, Note({running.changelog: 3}, {running.changelog: 0}))
    [cut] = running.admin.delete_records([TopicPartition(running.changelog, 0, 2)]).values()
    cut.result()
    restore = complete(a_restore(running, rebuilds=True))
    assert restore.stores == {(running.changelog, 0): {}}
    assert restore.leftovers == {(running.changelog, 0): [b"c"]}
    assert restore.offsets == {(running.source, 0): OFFSET_BEGINNING}
    assert restore.muted_until == {(running.source, 0): 9}


def test_what_is_left_of_a_lost_changelog_is_not_kept(running: Run) -> None:
    write(running, [(b"a", b"1")])
    running.commit_offset(0, 9, Note({running.changelog: 3}, {running.changelog: 0}))
    kept = KeptStores(60)
    restore = a_restore(running, kept=kept, rebuilds=True)
    while not restore.stores:
        assert not restore.step()
    restore.give_up()
    assert kept.take((running.changelog, 0)) is None


def test_a_rebuild_that_was_interrupted_goes_on_muted(running: Run) -> None:
    write(running, [(b"a", b"1")])
    running.commit_offset(0, 4, Note({running.changelog: 1}, {running.changelog: 0}, until=9))
    restore = complete(a_restore(running))
    assert restore.stores == {(running.changelog, 0): {b"a": b"1"}}
    assert restore.offsets == {(running.source, 0): 4}
    assert restore.muted_until == {(running.source, 0): 9}


def restore_of(bootstrap_servers: str, group: str, changelog: str, source: str) -> None:
    settings = RuntimeSettings(client={"bootstrap.servers": bootstrap_servers}, group=group)
    complete(Restore(settings, [changelog], {(source, 0)}))


def test_a_changelog_that_does_not_exist_ends_the_process(running: Run, tmp_path: Path) -> None:
    names = f"{running.name}-group", "no-such-changelog", running.source
    end = ending(restore_of, running.bootstrap_servers, *names, log=tmp_path / "log")
    assert end.code == ExitCode.RESTORE_FAILED, end.text
    assert "a changelog can't be read" in end.text


def restore_while_it_is_cut(
    bootstrap_servers: str, group: str, changelog: str, source: str
) -> None:
    """Retention takes what has not been read yet, behind the back of the reader."""
    client = {"bootstrap.servers": bootstrap_servers}
    restore = Restore(RuntimeSettings(client=client, group=group), [changelog], {(source, 0)})
    while not restore.starts:
        restore.step()
    restore.give_up()
    admin = AdminClient(client)  # held: its answers die with it
    [cut] = admin.delete_records([TopicPartition(changelog, 0, 2)]).values()
    cut.result()
    restore._read()  # noqa: SLF001  # as where a reader is replaced
    complete(restore)


def test_a_changelog_that_is_cut_during_a_restore_ends_the_process(
    running: Run, tmp_path: Path
) -> None:
    write(running, [(b"a", b"1"), (b"b", b"1"), (b"c", b"1")])
    names = f"{running.name}-group", running.changelog, running.source
    end = ending(restore_while_it_is_cut, running.bootstrap_servers, *names, log=tmp_path / "log")
    assert end.code == ExitCode.RESTORE_FAILED, end.text
    assert "a changelog can't be read" in end.text
