"""Keys in every spelling that people use; tokens judged as PyJWT judges them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from streams.adapters.keys import load_keys, read_keys, require_keys
from streams.adapters.tokens import NotATokenError, RefusedTokenError, Verifier
from streams.config import ConfigurationError
from tests.support.signing import FAR, NOW, private_key, public_pem, sign

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = private_key().public_key().public_numbers()


@pytest.mark.parametrize(
    "spelling",
    [
        public_pem(),
        public_pem().replace("\n", "\r\n"),
        public_pem().replace("\n", "\\n"),
        public_pem().replace("\n", " "),
        f'"{public_pem()}"',
        "\ufeff" + public_pem(),
        base64.b64encode(public_pem().encode()).decode(),
        base64.encodebytes(public_pem().encode()).decode(),
        "# our app\n" + public_pem(),
    ],
)
def test_a_good_key_is_read_in_every_spelling(spelling: str, tmp_path: Path) -> None:
    file = tmp_path / "app.pem"
    file.write_text(spelling)
    (key,) = read_keys(file)
    assert key.key.public_numbers() == NUMBERS
    assert key.name == "app"


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, private: bool) -> str:
    if private:
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("<!DOCTYPE html><html>", "web page"),
        ("hello", "no PEM"),
        (public_pem()[:200], "end is missing"),
        (public_pem().replace("A", "", 3), "can't be decoded"),
        (pem_of(private_key(), private=True), "private key"),
        (pem_of(ec.generate_private_key(ec.SECP256R1()), private=False), "not an RSA key"),
        (pem_of(rsa.generate_private_key(65537, 1024), private=False), "1024 bits"),
    ],
)
def test_a_bad_file_is_named_with_the_reason_and_no_byte_of_it(
    content: str, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "bad.pem"
    file.write_text(content)
    keys, (problem,) = load_keys([file])
    assert keys == []
    assert str(file) in str(problem)
    assert reason in str(problem)
    assert not content or content[30:60] not in str(problem) or len(content) < 60


def test_a_folder_gives_all_of_its_keys(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.pem").write_text(public_pem(name))
    (tmp_path / "README.md").write_text("not a key")
    (tmp_path / "both.pem").write_text(public_pem("one") + public_pem("two"))
    keys, problems = load_keys([tmp_path])
    assert [key.name for key in keys] == ["both", "both", "one", "two"]
    assert problems == []


def test_no_usable_key_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="WIX_PUBLIC_KEYS is not set"):
        require_keys(())
    with pytest.raises(ConfigurationError, match="does not exist"):
        require_keys((tmp_path / "missing.pem",))


def verdict(token: bytes) -> str:
    from streams.adapters.keys import PublicKey

    keys = [PublicKey("app", None, private_key().public_key())]  # type: ignore[arg-type]
    try:
        Verifier(keys).verify(token, now=NOW + 1)
    except NotATokenError:
        return "no token"
    except RefusedTokenError:
        return "refused"
    return "good"


def pyjwt(token: bytes) -> str:
    options = {"verify_aud": False, "verify_iat": False, "verify_exp": False, "verify_nbf": False}
    try:
        jwt.decode_complete(token, private_key().public_key(), ["RS256"], options)  # type: ignore[arg-type]
    except jwt.InvalidSignatureError:
        return "refused"
    except jwt.DecodeError:
        return "no token"
    except jwt.InvalidTokenError:
        return "refused"
    return "good"


GOOD = sign({"data": "x", "iat": NOW, "exp": FAR}).encode()


@given(st.data())
def test_unmodified_pyjwt_agrees_on_damaged_tokens(data: st.DataObject) -> None:
    """Documented exceptions: dates (ours follow the contract) and claims that are no object."""
    token = bytearray(GOOD)
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(token)))
        kind = data.draw(st.sampled_from(["change", "insert", "remove"]))
        byte = data.draw(st.integers(0, 255) | st.sampled_from(list(b".=-_A+/ \n")))
        if kind == "insert":
            token.insert(place, byte)
        elif place < len(token):
            if kind == "change":
                token[place] = byte
            else:
                del token[place]
    assert verdict(bytes(token)) == pyjwt(bytes(token))


@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=5)
        | st.just("RS256")
        | st.just(["x"]),
        max_size=4,
    )
)
def test_unmodified_pyjwt_agrees_on_any_header(header: dict[str, object]) -> None:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    from tests.support.signing import b64

    signed = f"{b64(json.dumps(header).encode())}.{b64(b'{}')}"
    signature = private_key().sign(signed.encode(), PKCS1v15(), SHA256())
    token = f"{signed}.{b64(signature)}".encode()
    assert verdict(token) == pyjwt(token)


@pytest.mark.parametrize("first", ["app", "second"])
def test_any_of_several_keys_may_verify(first: str) -> None:
    from streams.adapters.keys import PublicKey

    names = ["app", "second"] if first == "app" else ["second", "app"]
    verifier = Verifier(
        [PublicKey(n, None, private_key(n).public_key()) for n in names]  # type: ignore[arg-type]
    )
    for _ in range(2):
        assert verifier.verify(GOOD, now=NOW).claims is not None
        assert verifier.verify(sign({"a": 1}, key="second").encode(), now=NOW).claims == {"a": 1}
