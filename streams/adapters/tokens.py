"""Verifies a webhook's token as Wix's own SDK does: signature, ``exp`` and ``nbf``, no leeway.

Verdicts are PyJWT's; ours differ from it where the contract says so: ``aud`` and a future ``iat``
are no reason to refuse, an ``exp``, ``iat`` or ``nbf`` that is no number is.
"""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson
import pybase64
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.api_jws import PyJWS
from jwt.exceptions import DecodeError, InvalidSignatureError, InvalidTokenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.adapters.keys import PublicKey

_ALGORITHMS: Final = ["RS256"]
_MOST_PADDING: Final = 2
_MOST_HEADERS: Final = 64
_PADDING: Final = PKCS1v15()
_DIGEST: Final = SHA256()


class NotATokenError(Exception):
    """The body is no compact JWS: 400."""


class RefusedTokenError(Exception):
    """A token that we don't believe: 401. ``reason`` is a code, ``kid`` what the token claims."""

    def __init__(self, reason: str, kid: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kid = kid


class Verified(NamedTuple):
    """A genuine token's payload, as bytes and, if it is a JSON object, read."""

    payload: bytes
    claims: Mapping[str, object] | None
    kid: str


def _decode(segment: bytes) -> bytes:
    """Base64url in the one spelling that its bytes have.

    Raises:
        ValueError: it is not.
    """
    stripped = segment.rstrip(b"=")
    padding = len(segment) - len(stripped)
    if padding > _MOST_PADDING or (padding and len(segment) % 4):
        raise ValueError("wrong padding")
    if b"+" in stripped or b"/" in stripped:
        raise ValueError("base64, not base64url")
    decoded: bytes = pybase64.b64decode(
        stripped + b"=" * (-len(stripped) % 4), altchars=b"-_", validate=True
    )
    # only the last letter can have bits that mean nothing
    if spare := len(decoded) % 3:
        last = base64.urlsafe_b64encode(decoded[-spare:]).rstrip(b"=")
        if not stripped.endswith(last):
            raise ValueError("bits that mean nothing")
    return decoded


class _Jws(PyJWS):
    """PyJWT's, with its base64url done in C: it looks at every byte in Python."""

    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        try:
            return _decode(segment)
        except ValueError as error:
            raise DecodeError(f"Invalid {name} padding") from error


class Verifier:
    """Verifies tokens against a set of keys: first the one that the ``kid`` names, if any.

    After it, the one that verified the last token, then the others: a ``kid`` is only a hint.
    PyJWT judges. What it found of a header holds for the same header again, where only the
    signature is left to verify.
    """

    def __init__(self, keys: list[PublicKey]) -> None:
        self._jws = _Jws(algorithms=_ALGORITHMS)
        self._keys = list(keys)
        self._last = keys[0] if keys else None
        #: Headers of good tokens, byte for byte: the key, and the ``kid`` in it.
        self._headers: dict[bytes, tuple[PublicKey, str]] = {}

    def verify(self, token: bytes, *, now: float) -> Verified:
        """The payload of a genuine token; ``now`` is seconds since 1970.

        Raises:
            NotATokenError: it has not the form of a token.
            RefusedTokenError: signature, algorithm, header or dates are not good.
        """
        return self._with_known_header(token, now) or self._by_pyjwt(token, now)

    def _with_known_header(self, token: bytes, now: float) -> Verified | None:
        signed, _, signature = token.rpartition(b".")
        header, _, payload = signed.partition(b".")
        known = self._headers.get(header)
        if known is None:
            return None
        key, kid = known
        try:
            read = _decode(payload)
            key.key.verify(_decode(signature), signed, _PADDING, _DIGEST)
        except (ValueError, InvalidSignature):
            return None
        return _verified(read, now, kid)

    def _by_pyjwt(self, token: bytes, now: float) -> Verified:
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
            kid = str(found["header"].get("kid", ""))[:64]
            if len(self._headers) < _MOST_HEADERS:
                self._headers[token.partition(b".")[0]] = candidate, kid
            return _verified(found["payload"], now, kid)
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


def _verified(payload: bytes, now: float, kid: str) -> Verified:
    claims = _read(payload)
    if claims is not None:
        _check_dates(claims, now, kid)
    return Verified(payload, claims, kid)


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
        if type(value) is not int and (type(value) is not float or not math.isfinite(value)):
            raise RefusedTokenError(f"{name}_not_a_number", kid)
        if name == "exp" and int(value) <= now:
            raise RefusedTokenError("expired", kid)
        if name == "nbf" and int(value) > now:
            raise RefusedTokenError("not_yet_valid", kid)


def _reason(error: InvalidTokenError) -> str:
    name = type(error).__name__
    return "wrong_algorithm" if name == "InvalidAlgorithmError" else "bad_header"
