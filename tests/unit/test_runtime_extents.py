"""A note beside a source position says how far the changelogs reached, and shows what is gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.extents import Extents, Note, lost_changelogs

OFFSETS = st.integers(min_value=0, max_value=2**63 - 1)
NOTES = st.builds(
    Note,
    ends=st.dictionaries(st.text(), OFFSETS),
    starts=st.dictionaries(st.text(), OFFSETS),
    until=st.none() | OFFSETS,
)


@given(NOTES)
def test_a_note_is_read_as_it_was_written(note: Note) -> None:
    assert Note.decode(note.encode()) == note


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "written by another client",
        "[]",
        "7",
        '{"ends": 3}',
        '{"ends": {"changelog": "far"}}',
        '{"ends": {"changelog": null}}',
        '{"until": "x"}',
    ],
)
def test_what_no_runtime_wrote_says_nothing(text: str | None) -> None:
    assert Note.decode(text) == Note()


@given(st.text())
def test_no_text_breaks_a_restore(text: str) -> None:
    assert isinstance(Note.decode(text), Note)


def test_a_note_holds_the_ends_of_its_own_partition_at_that_moment() -> None:
    extents = Extents()
    extents.restored({("c", 0): 2, ("c", 1): 0}, {("c", 0): 10, ("c", 1): 20})
    extents.written["c", 0] += 3
    first, second = extents.note(0, until=None, owner="g-1"), extents.note(1, until=99, owner="")
    assert Note.decode(first) == Note({"c": 13}, {"c": 2}, None, "g-1")
    assert Note.decode(second) == Note({"c": 20}, {"c": 0}, 99)
    assert extents.end("c", 0) == 13


def test_a_restore_begins_the_count_anew() -> None:
    extents = Extents()
    extents.written["c", 0] += 3
    extents.restored({("c", 0): 0}, {("c", 0): 10})
    assert extents.end("c", 0) == 10


@pytest.mark.parametrize(
    ("start", "end", "how"),
    [
        (2, 10, None),
        (0, 11, None),  # an older beginning is there again: nothing is missing
        (2, 9, "it ends at 9; 10 was committed"),
        (3, 12, "it begins at 3; it began at 2"),
    ],
)
def test_a_changelog_that_is_shorter_than_its_note_is_lost(
    start: int, end: int, how: str | None
) -> None:
    notes = {("source", 4): Note({"c": 10}, {"c": 2})}
    lost = lost_changelogs(notes, {("c", 4): start}, {("c", 4): end})
    assert lost == ({} if how is None else {("c", 4): how})


def test_a_changelog_that_is_no_longer_ours_is_not_missed() -> None:
    assert lost_changelogs({("source", 4): Note({"old": 10}, {"old": 0})}, {}, {}) == {}
