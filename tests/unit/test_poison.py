"""When unreadable records are a storm."""

from __future__ import annotations

import pytest

from streams.worker.poison import PoisonWatch


@pytest.mark.parametrize(("unreadable", "storms"), [(499, []), (500, [999]), (1_000, [999])])
def test_half_of_a_thousand_is_a_storm(unreadable: int, storms: list[int]) -> None:
    watch = PoisonWatch()
    told = [n for n in range(1_000) if watch.is_storm(is_unreadable=n < unreadable)]
    assert told == storms


def test_old_records_don_t_hide_a_storm() -> None:
    watch = PoisonWatch()
    assert not any(watch.is_storm(is_unreadable=False) for _ in range(50_000))
    assert any(watch.is_storm(is_unreadable=True) for _ in range(1_000))
