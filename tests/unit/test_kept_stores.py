"""Stores of revoked partitions are given out once, and not when they are too old."""

from __future__ import annotations

from streams.runtime.kept import KeptStores

PARTITION = ("changelog", 3)


def test_a_store_is_given_out_once_with_its_position() -> None:
    kept = KeptStores(60)
    kept.keep(PARTITION, {b"k": b"v"}, 17)
    found = kept.take(PARTITION)
    assert found is not None
    assert (found.store, found.position) == ({b"k": b"v"}, 17)
    assert kept.take(PARTITION) is None


def test_a_store_of_another_partition_is_none() -> None:
    kept = KeptStores(60)
    kept.keep(PARTITION, {}, 0)
    assert kept.take(("changelog", 4)) is None


def test_what_is_too_old_is_forgotten_for_its_tombstones_may_be_gone() -> None:
    kept = KeptStores(1e-9)
    kept.keep(PARTITION, {b"k": b"v"}, 17)
    assert kept.take(PARTITION) is None


def test_nothing_is_kept_where_the_settings_say_so() -> None:
    kept = KeptStores(0)
    kept.keep(PARTITION, {b"k": b"v"}, 17)
    assert kept.take(PARTITION) is None
