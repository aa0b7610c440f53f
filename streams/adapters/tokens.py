"""Verifies a webhook's token as Wix's own SDK does: signature, ``exp`` and ``nbf``, no leeway.

Verdicts are PyJWT's; ours differ from it where the contract says so: ``aud`` and a future ``iat``
are no reason to refuse, an ``exp``, ``iat`` or ``nbf`` that is no number is.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
from jwt.api_jws import PyJWS
from jwt.exceptions import DecodeError, InvalidSignatureError, InvalidTokenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.adapters.keys import PublicKey

_ALGORITHMS: Final = ["RS256"]
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_MOST_PADDING: Final = 2


class NotATokenError(Exception):
    """The body is no compact JWS: 400."""


class RefusedTokenError(Exception):
    """A token that we don't believe: 401. ``reason`` is a code, ``kid`` what the token claims."""

    def __init__(self, reason: str, kid: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kid = kid


@dataclass(frozen=True, slots=True)
class Verified:
    """A genuine token's payload, as bytes and, if it is a JSON object, read."""

    payload: bytes
    claims: Mapping[str, object] | None
    kid: str


class _Jws(PyJWS):
    """PyJWT's, with its check of the alphabet done in C: it loops over every byte in Python."""

    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        stripped = segment.rstrip(b"=")
        padding = len(segment) - len(stripped)
        if (
            padding > _MOST_PADDING
            or (padding and len(segment) % 4)
            or len(stripped) % 4 == 1
            or stripped.translate(None, _ALPHABET)
        ):
            raise DecodeError(f"Invalid {name} padding")
        try:
            decoded = base64.urlsafe_b64decode(stripped + b"=" * (-len(stripped) % 4))
        except binascii.Error as error:
            raise DecodeError(f"Invalid {name} padding") from error
        if base64.urlsafe_b64encode(decoded).rstrip(b"=") != stripped:
            raise DecodeError(f"Invalid {name} padding")
        return decoded


class Verifier:
    """Verifies tokens against a set of keys: first the one that the ``kid`` names, if any.

    After it, the one that verified the last token, then the others: a ``kid`` is only a hint.
    """

    def __init__(self, keys: list[PublicKey]) -> None:
        self._jws = _Jws(algorithms=_ALGORITHMS)
        self._keys = list(keys)
        self._last = keys[0] if keys else None

    def verify(self, token: bytes, *, now: float) -> Verified:
        """The payload of a genuine token; ``now`` is seconds since 1970.

        Raises:
            NotATokenError: it has not the form of a token.
            RefusedTokenError: signature, algorithm, header or dates are not good.
        """
        for candidate in self._candidates(token):
            try:
                found = self._jws.decode_complete(token, candidate.key, _ALGORITHMS)
            except InvalidSignatureError:
                continue
            except DecodeError:
                raise NotATokenError from None
            except InvalidTokenError as error:
                raise RefusedTokenError(_reason(error)) from None
            self._last = candidate
            claims = _read(found["payload"])
            kid = str(found["header"].get("kid", ""))[:64]
            if claims is not None:
                _check_dates(claims, now, kid)
            return Verified(found["payload"], claims, kid)
        raise RefusedTokenError("bad_signature", self._kid(token))

    def _candidates(self, token: bytes) -> list[PublicKey]:
        if len(self._keys) == 1:
            return self._keys
        kid = self._kid(token)
        return sorted(self._keys, key=lambda key: (key.name != kid, key is not self._last))

    def _kid(self, token: bytes) -> str:
        try:
            return str(self._jws.get_unverified_header(token).get("kid", ""))[:64]
        except InvalidTokenError:
            return ""


def _read(payload: bytes) -> Mapping[str, object] | None:
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        try:
            claims = json.loads(payload)
        except (ValueError, RecursionError):
            return None
    return claims if isinstance(claims, dict) else None


def _check_dates(claims: Mapping[str, object], now: float, kid: str) -> None:
    for name in ("exp", "iat", "nbf"):
        if name not in claims:
            continue
        value = claims[name]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise RefusedTokenError(f"{name}_not_a_number", kid)
        if name == "exp" and int(value) <= now:
            raise RefusedTokenError("expired", kid)
        if name == "nbf" and int(value) > now:
            raise RefusedTokenError("not_yet_valid", kid)


def _reason(error: InvalidTokenError) -> str:
    name = type(error).__name__
    return "wrong_algorithm" if name == "InvalidAlgorithmError" else "bad_header"
