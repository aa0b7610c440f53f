"""What can be seen without Kafka: settings, keys, libraries."""

from __future__ import annotations

import platform
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from confluent_kafka import libversion
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streams.adapters.doctor.findings import Finding, ok, problem, warning
from streams.adapters.keys import load_keys
from streams.config import PREFIX
from streams.runtime.selfcheck import TESTED, unsupported_versions

if TYPE_CHECKING:
    from pathlib import Path

    from streams.adapters.keys import PublicKey
    from streams.config import Settings

_LOOPBACK: Final = ("localhost", "127.", "[::1]")


def check_settings(settings: Settings) -> list[Finding]:
    """Settings that are well-formed, but don't fit together or to this machine."""
    findings = []
    if settings.transaction_timeout_ms < settings.session_timeout_ms:
        findings.append(
            problem(
                "settings",
                "a transaction may end before its worker is taken for dead",
                f"set {PREFIX}TRANSACTION_TIMEOUT_MS to at least {settings.session_timeout_ms}",
            )
        )
    if "SSL" not in settings.security_protocol and not _is_local(settings.bootstrap_servers):
        findings.append(
            warning(
                "settings",
                f"{settings.security_protocol}: buyers' data travels to Kafka unencrypted",
                f"use a TLS listener with {PREFIX}SECURITY_PROTOCOL=SSL or SASL_SSL",
            )
        )
    findings += [
        problem("settings", f"{PREFIX}{name}: {reason}", "give a file that this user can read")
        for name, path in (
            ("SSL_CA_FILE", settings.ssl_ca_file),
            ("SSL_CERT_FILE", settings.ssl_cert_file),
            ("SSL_KEY_FILE", settings.ssl_key_file),
        )
        if path is not None and (reason := _unreadable(path))
    ]
    return findings or [
        ok("settings", f"{settings.security_protocol} to {settings.bootstrap_servers}")
    ]


def check_keys(settings: Settings) -> list[Finding]:
    """The public keys of the Wix apps, each with a fingerprint to compare."""
    if not settings.wix_public_keys:
        return [
            warning(
                "keys",
                f"{PREFIX}WIX_PUBLIC_KEYS is not set: an ingress would not start",
                "give the PEM files of your Wix apps' public keys; workers need none",
            )
        ]
    keys, problems = load_keys(settings.wix_public_keys)
    findings = [ok("keys", _describe(key)) for key in keys]
    findings += [
        problem("keys", str(found), "copy the key anew from the app's dashboard, Webhooks page")
        for found in problems
    ]
    if not keys and not problems:
        findings.append(
            problem("keys", "the folder of keys is empty", "put the apps' public keys into it")
        )
    return findings


def check_libraries() -> list[Finding]:
    """Versions that the runtime was not tested with are refused by the worker."""
    findings = [
        problem("libraries", line, "install with the committed lock")
        for line in unsupported_versions()
    ]
    tested = ", ".join(f"{name} {version}" for name, version in TESTED.items())
    return findings or [
        ok(
            "libraries",
            f"Python {platform.python_version()}, librdkafka {libversion()[0]}, {tested}",
        )
    ]


def _is_local(servers: str) -> bool:
    return all(server.strip().startswith(_LOOPBACK) for server in servers.split(","))


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return ""


def _describe(key: PublicKey) -> str:
    der = key.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{key.name}: RSA {key.key.key_size} bits, SHA-256 {sha256(der).hexdigest()[:16]}…"
