from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.api.access.limits import Limits
from streams.api.access.short_lived import LIFETIME_SECONDS, ShortLived
from streams.api.access.token_list import TokenListError, hash_of, new_token, read_token_list
from streams.api.access.tokens import Tokens
from streams.api.callers import Scope
from streams.api.cursors import Cursors
from streams.api.query.paging import Position
from streams.api.query.questions import read_query
from streams.api.query.violations import InvalidRequestError
from streams.api.seals import BrokenSealError, Seal
from streams.config import ConfigurationError, load_settings

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"a secret of the tests that is long enough"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def entry(token: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "crm",
        "sha256": hash_of(token),
        "sites": ["*"],
        "scopes": ["read"],
        **changes,
    }


def listed(*entries: dict[str, Any]) -> str:
    return json.dumps({"tokens": entries})


def test_a_list_says_what_each_token_allows() -> None:
    [found] = read_token_list(listed(entry("t", sites=["ABC-1"], scopes=["read:personal"])))
    assert found.visible_sites == frozenset({"abc-1"})
    assert found.granted == {Scope.READ, Scope.READ_PERSONAL}
    [every] = read_token_list(listed(entry("t", sites=["*", "x"], scopes=["delete"])))
    assert every.visible_sites is None
    assert every.granted == {Scope.DELETE}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "the list"),
        ("{", "the list"),
        (listed(entry("t", sites=[])), "tokens.0.sites"),
        (listed(entry("t", sites=["a b"])), "tokens.0.sites"),
        (listed(entry("t", scopes=["write"])), "tokens.0.scopes"),
        (listed(entry("t", sha256="secret")), "tokens.0.sha256"),
        (listed(entry("t", plain="secret")), "tokens.0.plain"),
        (listed(entry("t", name="a name")), "tokens.0.name"),
        (listed(entry("a"), entry("b")), "names must differ: crm"),
    ],
)
def test_what_is_wrong_in_a_list_is_told_without_its_secrets(text: str, told: str) -> None:
    with pytest.raises(TokenListError) as error:
        read_token_list(text)
    assert told in str(error.value)
    assert "secret" not in str(error.value)


def test_new_tokens_differ_and_only_their_hash_is_found() -> None:
    one, other = new_token(), new_token()
    assert one != other
    tokens = Tokens(load_settings(api_tokens=listed(entry(one))))
    assert tokens.find(one) is not None
    for wrong in (other, hash_of(one), "", one + " ", "\ud800"):
        assert tokens.find(wrong) is None


def test_a_changed_file_counts_at_once_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(listed(entry("first")))
    tokens = Tokens(load_settings(api_tokens_file=file, api_tokens=listed(entry("x", name="x"))))

    def known(*texts: str) -> list[bool]:
        tokens.look_again()
        return [tokens.find(text) is not None for text in texts]

    assert known("first", "second", "x") == [True, False, True]
    replacement = tmp_path / "new.json"
    replacement.write_text(listed(entry("second")))
    os.replace(replacement, file)  # noqa: PTH105  # as a rotation does it
    assert known("first", "second", "x") == [False, True, True]
    file.write_text("{ broken")
    assert known("first", "second", "x") == [False, True, True]
    file.unlink()
    assert known("first", "second", "x") == [False, True, True]
    file.write_text(listed())
    assert known("first", "second", "x") == [False, False, True]


def test_a_list_that_can_t_be_used_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="API_TOKENS_FILE"):
        Tokens(load_settings(api_tokens_file=tmp_path / "missing.json"))
    with pytest.raises(ConfigurationError, match=r"API_TOKENS: .*sha256"):
        Tokens(load_settings(api_tokens=listed(entry("t", sha256="x"))))


def test_a_short_lived_token_ends_with_its_hour_and_with_the_lasting_one(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(listed(entry("lasting")))
    tokens = Tokens(load_settings(api_tokens_file=file))
    short_lived = ShortLived(SECRET, tokens)
    lasting = tokens.find("lasting")
    assert lasting is not None
    made = short_lived.make(lasting, site="abc", now=NOW)
    found = short_lived.read(made, now=NOW + timedelta(seconds=LIFETIME_SECONDS - 1))
    assert found is not None
    assert (found.token, found.only_site) == (lasting, "abc")
    assert short_lived.read(made, now=NOW + timedelta(seconds=LIFETIME_SECONDS)) is None
    assert ShortLived(b"another" * 8, tokens).read(made, now=NOW) is None
    for changed in (made[:-1], made + "A", made.swapcase(), "cro_", "cro_é"):
        assert short_lived.read(changed, now=NOW) is None
    file.write_text(listed(entry("exchanged")))
    tokens.look_again()
    assert short_lived.read(made, now=NOW) is None


def test_a_limit_lets_a_minute_s_worth_through_and_then_an_even_flow() -> None:
    limits = Limits()
    assert [limits.take("a", per_minute=3, now=0) for _ in range(5)] == [0, 0, 0, 20, 20]
    assert limits.take("b", per_minute=3, now=0) == 0
    assert limits.take("a", per_minute=3, now=19.9) == 1
    assert limits.take("a", per_minute=3, now=20.1) == 0
    assert limits.take("a", per_minute=3, now=20.2) == 20
    assert limits.take("a", per_minute=3, now=1_000) == 0


def test_names_that_are_forgotten_bound_the_memory_of_limits() -> None:
    limits = Limits()
    for number in range(20_000):
        limits.take(str(number), per_minute=1, now=0)
    assert limits.take("19999", per_minute=1, now=0) > 0
    assert limits.take("0", per_minute=1, now=0) == 0


@given(content=st.binary(max_size=200), caller=st.text(max_size=20), at=st.integers(0, 10**6))
def test_a_seal_opens_for_its_purpose_and_caller_only(content: bytes, caller: str, at: int) -> None:
    seal = Seal(SECRET, purpose="cursor")
    text = seal.close(content, caller=caller)
    assert seal.open(text, caller=caller) == content
    changed = list(text)
    changed[at % len(text)] = "A" if changed[at % len(text)] != "A" else "B"
    for opener, attempt, who in (
        (Seal(SECRET, purpose="token"), text, caller),
        (Seal(SECRET[1:], purpose="cursor"), text, caller),
        (seal, text, caller + "x"),
        (seal, "".join(changed), caller),
        (seal, text[:-4], caller),
        (seal, "", caller),
        (seal, "A" * 20_000, caller),
    ):
        with pytest.raises(BrokenSealError):
            opener.open(attempt, caller=who)


def test_a_cursor_tells_nothing_of_what_it_carries() -> None:
    asked = read_query({"query": {"filter": {"buyerInfo.email": "ada@mail.example"}}})
    cursors = Cursors(SECRET, kind="query")
    position = Position((5, "an-id"), is_backward=True)
    text = cursors.write(asked.question, position, caller="crm")
    question, found = cursors.read(text, caller="crm")
    assert (question.filter, question.sort) == (asked.question.filter, asked.question.sort)
    assert found == position
    assert cursors.write(asked.question, position, caller="crm") != text
    for reader, caller in ((cursors, "other"), (Cursors(SECRET, kind="search"), "crm")):
        with pytest.raises(InvalidRequestError):
            reader.read(text, caller=caller)
