r"""The public keys of the Wix apps, in every spelling that people use.

Wix shows one PEM for each app; there is no key server. Accepted: a proper PEM; one squeezed on a
line with literal ``\n``; a PEM encoded in base64 as a whole; its body alone; several in one file; a
certificate.
Invariant: no part of a key is ever in a message.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from streams.config import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", re.DOTALL)
_FEWEST_BITS: Final = 2048
_LARGEST_FILE: Final = 1 << 20
#: How a key of 1024 to 500,000 bits begins in DER: a sequence whose length has two bytes.
_DER_SEQUENCE: Final = b"\x30\x82"
_SUFFIXES: Final = frozenset({".pem", ".pub", ".crt", ".cer", ".key", ".txt", ""})


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and where it came from; ``name`` is the file's stem: a token's ``kid`` may name it."""

    name: str
    source: Path
    key: RSAPublicKey


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """A file that gives no key, and why."""

    source: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


def load_keys(paths: Iterable[Path]) -> tuple[list[PublicKey], list[KeyProblem]]:
    """The keys of files and of folders of files, and what is wrong with the others."""
    keys: list[PublicKey] = []
    problems: list[KeyProblem] = []
    for path in paths:
        try:
            files = _files(path)
        except OSError as error:
            problems.append(KeyProblem(path, _reason(error)))
            continue
        for file in files:
            try:
                keys.extend(read_keys(file))
            except (OSError, ValueError) as error:
                problems.append(KeyProblem(file, _reason(error)))
    return keys, problems


def require_keys(paths: tuple[Path, ...]) -> tuple[list[PublicKey], list[KeyProblem]]:
    """As ``load_keys``, but at least one key.

    Raises:
        ConfigurationError: no path was given, or none holds a usable key; says why of each.
    """
    if not paths:
        raise ConfigurationError(
            "CHECKOUT_RECOVERY_WIX_PUBLIC_KEYS is not set: give the PEM files of your Wix apps' "
            "public keys (the app's dashboard, Webhooks page), or a folder of them"
        )
    keys, problems = load_keys(paths)
    if not keys:
        reasons = "".join(f"\n  {problem}" for problem in problems) or "\n  the folder is empty"
        raise ConfigurationError(f"none of the public keys can be used:{reasons}")
    return keys, problems


def read_keys(file: Path) -> list[PublicKey]:
    """The keys of one file.

    Raises:
        OSError: the file can't be read.
        ValueError: it holds no usable key; says why, without a byte of it.
    """
    if file.stat().st_size > _LARGEST_FILE:
        raise ValueError("too large for a key")
    text = file.read_bytes().decode("utf-8-sig", "replace").strip().strip("\"'").strip()
    blocks = _blocks(text) or _blocks_from_base64(text)
    if not blocks:
        raise ValueError(_why_no_block(text))
    return [PublicKey(file.stem, file, _key(label, body)) for label, body in blocks]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(
        file
        for file in path.iterdir()
        if file.is_file() and not file.name.startswith(".") and file.suffix in _SUFFIXES
    )


def _blocks(text: str) -> list[tuple[str, str]]:
    unescaped = text.replace("\\r", "").replace("\\n", "\n")
    return [(match[1], match[2]) for match in _BLOCK.finditer(unescaped)]


def _blocks_from_base64(text: str) -> list[tuple[str, str]]:
    """A PEM encoded once more, or the body of one without its first and last line."""
    compact = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        decoded = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        return []
    if decoded.startswith(_DER_SEQUENCE):
        return [("PUBLIC KEY", base64.b64encode(decoded).decode())]
    return _blocks(decoded.decode("utf-8", "replace"))


def _key(label: str, body: str) -> RSAPublicKey:
    if "PRIVATE" in label:
        raise ValueError("a private key: give the public one, and keep the private one away")
    compact = "".join(body.split())
    lines = "\n".join(compact[at : at + 64] for at in range(0, len(compact), 64))
    pem = f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()
    try:
        key = (
            x509.load_pem_x509_certificate(pem).public_key()
            if label == "CERTIFICATE"
            else load_pem_public_key(pem)
        )
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("a PEM, but it can't be decoded: copy it again, whole") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key: Wix signs with RS256")  # noqa: TRY004  # a file's content
    if key.key_size < _FEWEST_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits: at least {_FEWEST_BITS} are needed")
    return key


def _why_no_block(text: str) -> str:
    if not text:
        return "empty"
    if text.lower().startswith(("<!doctype", "<html")):
        return "a web page, not a key: copy the key itself from the app's dashboard"
    if text.startswith("ssh-"):
        return "an ssh key, not a PEM: copy the key from the app's dashboard"
    if "BEGIN" in text:
        return "a PEM whose end is missing: copy it again, whole"
    return "no PEM: it should begin with -----BEGIN PUBLIC KEY-----"


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "can't be read: permission denied"
    return str(error) if isinstance(error, ValueError) else (error.strerror or "can't be read")
