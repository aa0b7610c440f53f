r"""Public keys in every spelling people use, and what is said of files that hold none."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from streams.adapters.keys import load_keys, require_keys
from streams.config import ConfigurationError
from tests.support.signing import private_key, public_pem

PEM = public_pem()
NUMBER = private_key("app").public_key().public_numbers()


def pkcs1() -> str:
    return (
        private_key("app")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
        .decode()
    )


def private_pem(form: serialization.PrivateFormat) -> str:
    return (
        private_key("app")
        .private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        .decode()
    )


def certificate() -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key("app").public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(private_key("app"), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


SPELLINGS = {
    "as-wix-shows-it": PEM,
    "without-last-newline": PEM.strip(),
    "windows-newlines": PEM.replace("\n", "\r\n"),
    "old-mac-newlines": PEM.replace("\n", "\r"),
    "byte-order-mark": "\ufeff" + PEM,
    "one-line-escaped-newlines": PEM.replace("\n", "\\n"),
    "one-line-escaped-windows-newlines": PEM.replace("\n", "\\r\\n"),
    "one-line-in-quotes": '"' + PEM.replace("\n", "\\n") + '"',
    "one-line-in-single-quotes": "'" + PEM.replace("\n", "\\n") + "'\n",
    "one-line-of-spaces": PEM.replace("\n", " "),
    "one-line-of-nothing": PEM.replace("\n", ""),
    "indented": "\n".join("    " + line for line in PEM.splitlines()),
    "base64-of-all": base64.b64encode(PEM.encode()).decode(),
    "base64-of-all-in-lines": base64.encodebytes(PEM.encode()).decode(),
    "base64-of-escaped": base64.b64encode(PEM.replace("\n", "\\n").encode()).decode(),
    "url-safe-base64-unpadded": base64.urlsafe_b64encode(PEM.encode()).decode().rstrip("="),
    "words-around": "The key of our app:\n" + PEM + "\nDon't lose it.\n",
    "pkcs1": pkcs1(),
    "certificate": certificate(),
    "body-only": "".join(PEM.splitlines()[1:-1]),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_good_key_is_read_in_every_spelling(tmp_path: Path, name: str) -> None:
    file = tmp_path / "app.pem"
    file.write_bytes(SPELLINGS[name].encode())
    keys, problems = load_keys([file])
    assert problems == []
    assert [key.key.public_numbers() for key in keys] == [NUMBER]
    assert keys[0].name == "app"


def weak_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # on purpose
    return public(key)


BAD = {
    "empty": ("", "empty"),
    "blank": (" \r\n\n", "empty"),
    "private": (private_pem(serialization.PrivateFormat.PKCS8), "private key"),
    "private-pkcs1": (private_pem(serialization.PrivateFormat.TraditionalOpenSSL), "private key"),
    "private-base64": (
        base64.b64encode(private_pem(serialization.PrivateFormat.PKCS8).encode()).decode(),
        "private key",
    ),
    "curve": (public(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
    "weak": (weak_key(), "1024 bits"),
    "web-page": ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "web page"),
    "cut-off": (PEM[:200], "end is missing"),
    "changed": (PEM.replace(PEM[80:120], "A" * 40), "copy it again"),
    "words": ("my secret words", "no PEM"),
    "binary": ("\x00\x01\x02" * 50, "no PEM"),
    "ssh": ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 me@host", "ssh"),
    "folder-of-nothing": (None, "empty"),
    "json": ('{"keys": []}', "no PEM"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_with_the_reason_and_none_of_its_content(
    tmp_path: Path, name: str
) -> None:
    content, reason = BAD[name]
    file = tmp_path / "key-of-our-app.pem"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content.encode())
    with pytest.raises(ConfigurationError) as raised:
        require_keys((file,))
    message = str(raised.value)
    assert reason in message
    assert file.name in message or content is None
    told = message.replace(str(file), "")
    for piece in (content or "").split():
        assert len(piece) < 12 or piece not in told


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.pem: does not exist"):
        require_keys((tmp_path / "absent.pem",))


def test_no_path_at_all_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="CHECKOUT_RECOVERY_WIX_PUBLIC_KEYS is not set"):
        require_keys(())


def test_a_bad_file_beside_a_good_one_is_a_problem_and_no_end(tmp_path: Path) -> None:
    (tmp_path / "good.pem").write_text(PEM)
    (tmp_path / "bad.pem").write_text("")
    keys, problems = require_keys((tmp_path,))
    assert [key.name for key in keys] == ["good"]
    assert [str(problem) for problem in problems] == [f"{tmp_path / 'bad.pem'}: empty"]


def test_files_and_folders_give_their_keys_together(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "b.pem").write_text(public_pem("second") + "\n" + public_pem("third"))
    (folder / "a.pub").write_text(PEM)
    (folder / ".hidden").write_text("no key")
    (folder / "README.md").write_text("no key either")
    (tmp_path / "single").write_text(public_pem("fourth"))
    keys, problems = load_keys([folder, tmp_path / "single"])
    assert problems == []
    assert [key.name for key in keys] == ["a", "b", "b", "single"]


def test_the_links_of_a_mounted_secret_are_read(tmp_path: Path) -> None:
    """As Kubernetes mounts a secret: ``app.pem`` → ``..data/app.pem`` → ``..2026/app.pem``."""
    version = tmp_path / "..2026"
    version.mkdir()
    (version / "app.pem").write_text(PEM)
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "app.pem").symlink_to(Path("..data", "app.pem"))
    keys, problems = load_keys([tmp_path])
    assert (len(keys), problems) == (1, [])
