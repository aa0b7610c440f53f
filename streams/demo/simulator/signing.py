"""Real RS256 signatures with keys of our own, as Wix makes them with its."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from streams.demo.simulator.shops import APPS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

#: A published sample of Wix lives that long: longer than Wix goes on resending.
_LIFETIME_SECONDS: Final = 83 * 3600


class Signer:
    """The private keys of the simulated Wix apps, new ones for each signer."""

    def __init__(self, apps: int = APPS) -> None:
        self._keys = [
            rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(apps)
        ]

    def write_public_key(self, path: Path) -> None:
        """Write all apps' public keys into one file of PEMs, as an operator would paste them."""
        path.write_bytes(b"".join(self.public_keys()))

    def public_keys(self) -> list[bytes]:
        """The public keys as PEM, by the number of the app."""
        return [
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            for key in self._keys
        ]

    def sign(self, data: str, *, at: datetime, app: int = 0) -> str:
        """The body of a webhook: a compact JWS, about half a millisecond's work."""
        issued = int(at.timestamp())
        claims = {"data": data, "iat": issued, "exp": issued + _LIFETIME_SECONDS}
        headers = {"kid": f"app-{app}"} if app else None  # some apps' tokens name no key
        return jwt.encode(claims, self._keys[app], algorithm="RS256", headers=headers)
