"""Real RS256 signatures with keys of our own, as Wix makes them with its."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_LIFETIME_SECONDS = 72 * 3600


class Signer:
    """A Wix app's private key."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def write_public_key(self, path: Path) -> None:
        """Write the public key as PEM, as Wix shows it."""
        path.write_bytes(
            self._key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def sign(self, data: str, *, at: datetime) -> str:
        """The body of a webhook: a compact JWS."""
        issued = int(at.timestamp())
        claims = {"data": data, "iat": issued, "exp": issued + _LIFETIME_SECONDS}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "simulator"})
