"""What is done a shorter way for speed gives what the long way gives."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import urlsplit, urlunsplit

from hypothesis import example, given
from hypothesis import strategies as st

from streams.adapters.instants import format_instant
from streams.adapters.lifecycle import NAMESPACE, named
from streams.adapters.published import checkout_url
from streams.domain.money import plain_amount, read_amount

TEXT = st.text(alphabet="aZ09./:?#=&%@[]-_~ é\t", max_size=20)


@given(st.text())
def test_an_id_is_the_uuid_of_its_name(name: str) -> None:
    assert named(name) == str(uuid.uuid5(NAMESPACE, name))


@given(
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(0)), timezone(timedelta(hours=1))])
    )
)
@example(datetime(1, 1, 1, tzinfo=UTC))
@example(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
@example(datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
def test_an_instant_is_written_as_isoformat_writes_it(instant: datetime) -> None:
    expected = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert format_instant(instant) == expected


@given(st.from_regex(r"[0-9]{1,17}(\.[0-9]{0,10})?", fullmatch=True))
@example("0")
@example("00")
@example("000.50")
@example("0.50")
def test_an_amount_is_written_as_its_decimal(amount: str) -> None:
    value = read_amount(amount)
    assert plain_amount(amount) == (None if value is None else f"{value:f}")
    assert value is None or value == Decimal(amount)


@given(st.sampled_from(["http://", "https://", "ftp://", "HTTP://", ""]), TEXT, TEXT, TEXT)
@example("http://", "shop.example", "?a=1", "")
@example("http://", "shop.example/a?", "", "")
@example("http://", "shop.example:80//a", "?b", "#c")
@example("http://", "", "/a", "")
def test_an_address_is_split_and_joined_over_https(
    scheme: str, host: str, path: str, rest: str
) -> None:
    address = f"{scheme}{host}/{path}{rest}"
    assert checkout_url({"checkoutUrl": address}) == by_the_library(address)


def by_the_library(address: str) -> str | None:
    try:
        split = urlsplit(address)
        if split.scheme not in {"http", "https"} or not split.hostname:
            return None
    except ValueError:
        return None
    return urlunsplit(split._replace(scheme="https"))
