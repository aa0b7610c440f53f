"""The bytes of the ``cohorts`` table: for each site a header, buckets, and what waits.

Keys: ``s|<instance>``, ``b|<width in minutes>|<bucket>|<instance>``,
``p|<width in minutes>|<instance>`` and ``t``, the partition's newest tick. A value begins with a
byte for the layout's version, then MessagePack.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from streams.domain.contributions import Contribution
from streams.domain.events import Site, Stage
from streams.domain.series import Tally

_VERSION: Final = b"\x01"
_MONEY_KEYS: Final = ("A:", "R:")


class SiteState(msgspec.Struct, array_like=True):
    """The header of a site.

    Attributes:
        site_id: Wix's own id of the site, empty if it was never sent.
        as_of: T, the newest instant that the site's counts know of.
        published_at: time of the last publication, in the facts topic.
        published_digest: of the numbers last published.
        is_dirty: the numbers may have changed since.
    """

    site_id: str
    as_of: datetime
    published_at: datetime | None = None
    published_digest: bytes = b""
    is_dirty: bool = False


_PendingRow = tuple[
    str,
    datetime | None,
    datetime | None,
    str | None,
    Decimal | None,
    Stage,
    bool,
    bool,
    bool,
]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_site: Final = msgspec.msgpack.Decoder(SiteState).decode
_decode_tally: Final = msgspec.msgpack.Decoder(tuple[dict[str, int], dict[str, str]]).decode
_decode_pending: Final = msgspec.msgpack.Decoder(list[_PendingRow]).decode
_decode_instant: Final = msgspec.msgpack.Decoder(datetime).decode

TICK_KEY: Final = b"t"


def site_key(instance_id: str) -> bytes:
    """Key of a site's header."""
    return b"s|" + instance_id.encode()


def bucket_key(instance_id: str, width: timedelta, index: int) -> bytes:
    """Key of one bucket of a site."""
    return b"b|%d|%d|%s" % (width.total_seconds() // 60, index, instance_id.encode())


def pending_key(instance_id: str, width: timedelta) -> bytes:
    """Key of what waits for a site's series to reach its date."""
    return b"p|%d|%s" % (width.total_seconds() // 60, instance_id.encode())


def parse_bucket_key(key: bytes) -> tuple[str, timedelta, int] | None:
    """Instance id, width and index of a bucket's key; None of another kind of key."""
    if not key.startswith(b"b|"):
        return None
    _, minutes, index, instance_id = key.split(b"|", 3)
    return instance_id.decode(), timedelta(minutes=int(minutes)), int(index)


def encode_site(state: SiteState) -> bytes:
    """The value of a site's header."""
    return _VERSION + _encode(state)


def decode_site(value: bytes) -> SiteState:
    """The header of a value."""
    return _decode_site(_body(value))


def encode_instant(at: datetime) -> bytes:
    """The value of the newest tick."""
    return _VERSION + _encode(at)


def decode_instant(value: bytes) -> datetime:
    """The newest tick of a value."""
    return _decode_instant(_body(value))


def encode_tally(tally: Tally) -> bytes:
    """The value of a bucket. Sums of money may pass 64 bits, so they are written as text."""
    counts = {key: count for key, count in tally.items() if key[:2] not in _MONEY_KEYS}
    money = {key: str(nanos) for key, nanos in tally.items() if key[:2] in _MONEY_KEYS}
    return _VERSION + _encode((counts, money))


def decode_tally(value: bytes) -> Tally:
    """The counts of a bucket's value."""
    counts, money = _decode_tally(_body(value))
    counts.update((key, int(nanos)) for key, nanos in money.items())
    return counts


def encode_pending(pending: list[Contribution]) -> bytes:
    """The value of the contributions that wait."""
    return _VERSION + _encode(
        [
            (
                item.site.instance_id,
                item.abandoned_at,
                item.recovered_at,
                item.currency,
                item.amount,
                item.stage,
                item.is_reachable,
                item.is_touched,
                item.is_staff,
            )
            for item in pending
        ]
    )


def decode_pending(value: bytes) -> list[Contribution]:
    """The contributions of a value."""
    return [Contribution(Site(row[0], "", ""), *row[1:]) for row in _decode_pending(_body(value))]


class Buckets(MutableMapping[int, Tally]):
    """One series of a site in the table; each change is a change of the table."""

    def __init__(
        self, table: MutableMapping[bytes, bytes], instance_id: str, width: timedelta
    ) -> None:
        self._table = table
        self._key = (instance_id, width)
        self._before, self._after = bucket_key(instance_id, width, 0).split(b"|0|", 1)

    def __getitem__(self, index: int) -> Tally:
        return decode_tally(self._table[self._key_of(index)])

    def __setitem__(self, index: int, tally: Tally) -> None:
        self._table[self._key_of(index)] = encode_tally(tally)

    def __delitem__(self, index: int) -> None:
        del self._table[self._key_of(index)]

    def _key_of(self, index: int) -> bytes:
        """As ``bucket_key``, of which all but the index is known."""
        return b"%s|%d|%s" % (self._before, index, self._after)

    def __iter__(self) -> Iterator[int]:
        found = (parse_bucket_key(key) for key in self._table)
        return (item[2] for item in found if item is not None and item[:2] == self._key)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class UnknownCohortVersionError(Exception):
    """The counts were written by a newer release: run that release, or rebuild the state."""


def _body(value: bytes) -> memoryview:
    if value[:1] != _VERSION:
        raise UnknownCohortVersionError(
            f"counts of layout {value[0]}; this release reads up to {_VERSION[0]}"
        )
    return memoryview(value)[1:]
