"""Our verifier against PyJWT as it comes, and the verdicts in which we differ from it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.adapters.keys import PublicKey
from streams.adapters.tokens import NotATokenError, RefusedTokenError, Verifier
from tests.support.signing import FAR, NOW, b64, by_hand, hmac_token, private_key, sign

CLAIMS = {"data": "{}", "iat": NOW, "exp": FAR}


def key(name: str) -> PublicKey:
    return PublicKey(name, Path(name), private_key(name).public_key())


def ours(token: bytes, *names: str, now: float = NOW + 1) -> bytes | None:
    """The payload, or None if the token is not believed."""
    try:
        return Verifier([key(name) for name in names or ("app",)]).verify(token, now=now).payload
    except (NotATokenError, RefusedTokenError):
        return None


def theirs(token: bytes) -> bytes | None:
    """What PyJWT, unmodified, says of signature, header and form."""
    try:
        verifier = jwt.PyJWS(algorithms=["RS256"])
        payload: bytes = verifier.decode(token, private_key("app").public_key(), ["RS256"])
    except jwt.InvalidTokenError:
        return None
    return payload


@lru_cache
def seeds() -> list[bytes]:
    """Tokens of every kind that have a chance of being believed by mistake."""
    payload = json.dumps(CLAIMS).encode()
    made = [
        sign(CLAIMS),
        sign(CLAIMS, kid="k-1"),
        sign(CLAIMS, typ=None),
        sign({"data": "x" * 3000}),
        sign(b""),
        sign(b"\x00\xff"),
        sign(b"[]"),
        sign(CLAIMS, key="another"),
        sign(CLAIMS, alg="RS384"),
        sign(CLAIMS, alg="PS256"),
        sign(CLAIMS, crit=["urgent"], urgent=1),
        sign(CLAIMS, crit=[]),
        hmac_token(payload),
        by_hand({"alg": "none"}, payload, b""),
        by_hand({"alg": ["RS256"]}, payload, b"x"),
        by_hand({"alg": "RS256", "b64": False, "crit": ["b64"]}, b"", b"x"),
        by_hand({"alg": "RS256", "kid": 7}, payload, b"x"),
        by_hand({"alg": "RS256", "crit": "exp"}, payload, b"x"),
        by_hand({"alg": "RS256", "crit": [{}]}, payload, b"x"),
        by_hand({"alg": "RS256"}, payload, b""),
        by_hand({"alg": {"RS256": 1}}, payload, b"x"),
        b64(b"[" * 200_000) + "." + b64(payload) + "." + b64(b"x"),
        b64(b'{"alg":' + b"9" * 10_000 + b"}") + "." + b64(payload) + "." + b64(b"x"),
        b64(b'{"alg":"RS256","alg":"none"}') + "." + b64(payload) + "." + b64(b"x"),
        b64(b'{"alg":"\\ud800"}') + "." + b64(payload) + "." + b64(b"x"),
        b64(b"null") + "." + b64(payload) + "." + b64(b"x"),
        "..",
        "",
    ]
    return [token.encode() for token in made]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A token after up to three of the things that happen to texts on their way."""
    token = bytearray(draw(st.sampled_from(seeds())))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(token)))
        match draw(st.integers(0, 7)):
            case 0:
                token[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del token[at : at + draw(st.integers(1, 4))]
            case 2:
                token[at:at] = draw(st.sampled_from([b".", b"=", b"==", b" ", b"\n", b"+", b"/"]))
            case 3:
                token += draw(st.sampled_from([b"=", b"==", b"===", b"A", b"\x00", b"."]))
            case 4:
                segments = bytes(token).split(b".")
                other = draw(st.sampled_from(seeds())).split(b".")
                place = draw(st.integers(0, len(segments) - 1))
                segments[place] = other[min(place, len(other) - 1)]
                token = bytearray(b".".join(segments))
            case 5:
                token = bytearray(bytes(token).replace(b"_", b"/").replace(b"-", b"+"))
            case 6:
                segments = bytes(token).split(b".")
                token = bytearray(b".".join(part + b"=" * (-len(part) % 4) for part in segments))
            case _:
                token = bytearray(bytes(token).swapcase())
    return bytes(token)


@settings(max_examples=1500)
@given(damaged())
@example(sign(CLAIMS).encode() + b"=")
@example(sign(CLAIMS).encode()[:-1])
def test_we_believe_a_signature_exactly_when_pyjwt_does(token: bytes) -> None:
    assert ours(token) == theirs(token)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "x"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.text(max_size=5),
            st.sampled_from(["RS256", ["x"], ["b64"], [], {}]),
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_any_rightly_signed_header_gets_pyjwts_verdict(header: dict[str, Any], rs256: Any) -> None:
    if rs256:
        header["alg"] = "RS256"
    signed = f"{b64(json.dumps(header).encode())}.{b64(b'{}')}"
    signature = private_key("app").sign(signed.encode(), PKCS1v15(), SHA256())
    token = f"{signed}.{b64(signature)}".encode()
    assert ours(token) == theirs(token)


@pytest.mark.parametrize("number", range(len(seeds())))
def test_every_kind_of_token_gets_pyjwts_verdict(number: int) -> None:
    token = seeds()[number]
    assert ours(token) == theirs(token)


numbers = st.one_of(
    st.integers(NOW - 5, NOW + 5),
    st.floats(NOW - 5, NOW + 5),
    st.sampled_from([0, -1, FAR, 10**30, 1e300]),
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat"]), numbers), st.floats(NOW, NOW + 2))
def test_numeric_dates_are_judged_as_pyjwt_judges_them(dates: dict[str, Any], now: float) -> None:
    reference = jwt.PyJWT()
    try:  # its public methods read the clock by themselves
        if "nbf" in dates:
            reference._validate_nbf(dates, now, 0)  # noqa: SLF001  # see above
        if "exp" in dates:
            reference._validate_exp(dates, now, 0)  # noqa: SLF001  # see above
        is_good = True
    except jwt.InvalidTokenError:
        is_good = False
    token = sign({"data": "", **dates}).encode()
    assert (ours(token, now=now) is not None) == is_good


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", [str(FAR), "", None, True, [], {}, float("nan"), float("inf")])
def test_a_date_that_is_no_number_is_refused_where_pyjwt_may_read_it(name: str, value: Any) -> None:
    token = sign({"data": "{}", name: value}).encode()
    with pytest.raises(RefusedTokenError, match=f"{name}_not_a_number"):
        Verifier([key("app")]).verify(token, now=NOW)


def test_subject_and_token_id_of_any_kind_are_no_reason_to_refuse() -> None:
    assert ours(sign({"data": "{}", "sub": 7, "jti": {}, "iss": [], "aud": 3}).encode()) is not None


@pytest.mark.parametrize("payload", [b"", b"not json", b"[1]", b"\xff", b"[" * 100_000, b"NaN"])
def test_a_genuine_payload_that_is_no_json_object_is_genuine(payload: bytes) -> None:
    verified = Verifier([key("app")]).verify(sign(payload).encode(), now=NOW)
    assert verified.payload == payload
    assert verified.claims is None


@pytest.mark.parametrize("name", ["app", "second", "third"])
def test_any_of_several_keys_will_do(name: str) -> None:
    verifier = Verifier([key("app"), key("second"), key("third")])
    for _ in range(3):
        assert verifier.verify(sign(CLAIMS, key=name).encode(), now=NOW).claims == CLAIMS
    with pytest.raises(RefusedTokenError, match="bad_signature"):
        verifier.verify(sign(CLAIMS, key="stranger").encode(), now=NOW)


@pytest.mark.parametrize("kid", ["app", "second", "third", "", "?", "\x00"])
def test_the_order_of_keys_is_no_matter_of_the_kid(kid: str) -> None:
    verifier = Verifier([key("app"), key("second"), key("third")])
    for name in ("second", "app", "third"):
        assert verifier.verify(sign(CLAIMS, key=name, kid=kid).encode(), now=NOW).kid == kid


def test_a_kid_that_names_another_key_does_not_hide_the_right_one() -> None:
    verifier = Verifier([key("app"), key("second")])
    token = sign(CLAIMS, key="second", kid="app").encode()
    assert verifier.verify(token, now=NOW).kid == "app"
