"""Text that only we can read and make: cursors and short-lived access tokens.

Invariant: what is opened is byte for byte what was sealed with the same secret, for the same
purpose and the same caller (AES-256-GCM, one key for each purpose).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_LONGEST: Final = 16_000


class BrokenSealError(Exception):
    """The text was not made by us, for this purpose and this caller, or was changed since."""


class Seal:
    """Seals for one purpose. ``secret`` may be any long random text, shared by all processes."""

    def __init__(self, secret: bytes, *, purpose: str) -> None:
        key = HKDF(SHA256(), 32, salt=None, info=b"checkout-recovery " + purpose.encode())
        self._cipher = AESGCM(key.derive(secret))

    def close(self, content: bytes, *, caller: str) -> str:
        """The content as URL-safe text, bound to the caller."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, content, caller.encode())
        return _encoded(sealed)

    def open(self, text: str, *, caller: str) -> bytes:
        """The content that was sealed.

        Raises:
            BrokenSealError: whatever the reason, for a reason would help a forger.
        """
        try:
            sealed = base64.b64decode(_padded(text), altchars=b"-_", validate=True)
            # unused bits of the last letter would let one seal be written in several ways
            if len(sealed) < _NONCE_BYTES + _TAG_BYTES or _encoded(sealed) != text:
                raise BrokenSealError
            nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, content, caller.encode())
        except (InvalidTag, binascii.Error, UnicodeEncodeError):
            raise BrokenSealError from None


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _padded(text: str) -> bytes:
    if len(text) > _LONGEST:
        raise BrokenSealError
    return text.encode("ascii") + b"=" * (-len(text) % 4)
