"""A signing test double: tokens as Wix makes them, and every way in which they can be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

NOW = 1_772_366_400
FAR = 4_102_444_800


def private_key(name: str = "app") -> rsa.RSAPrivateKey:
    """A key of 2048 bits; the same for the same name within a run."""
    return _private_key(name)


@lru_cache
def _private_key(_name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(name: str = "app") -> str:
    return (
        private_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def envelope(event: Any, **changes: Any) -> str:
    """A, the string in the claim ``data``; a change to None leaves a field out."""
    full = {
        "data": event if isinstance(event, str) else json.dumps(event, ensure_ascii=False),
        "instanceId": "5d1cbcf4-0000-4000-8000-000000000001",
        "eventType": "wix.ecom.v1.abandoned_checkout_created",
        "identity": json.dumps({"identityType": "MEMBER", "memberId": "m-1"}),
        "accountInfo": {"accountId": "acc-1", "siteId": "site-1"},
        **changes,
    }
    return json.dumps({name: value for name, value in full.items() if value is not None})


def sign(claims: Any, *, key: str = "app", **header: Any) -> str:
    """A compact JWS over any claims; RS256 unless the header says otherwise."""
    fields = {"alg": "RS256", "typ": "JWT", **header}
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jwt.api_jws.encode(
        payload, private_key(key), algorithm=fields.pop("alg"), headers=fields
    )


def token(event: Any, *, claims: dict[str, Any] | None = None, **changes: Any) -> str:
    """A genuine webhook's body."""
    return sign({"data": envelope(event, **changes), "iat": NOW, "exp": FAR, **(claims or {})})


def by_hand(header: dict[str, Any], payload: bytes, signature: bytes) -> str:
    """A token that no library would make."""
    return ".".join(map(b64, (json.dumps(header).encode(), payload, signature)))


def hmac_token(payload: bytes) -> str:
    """HS256 with the public PEM as its secret: the classic forgery."""
    header = {"alg": "HS256", "typ": "JWT"}
    signed = ".".join((b64(json.dumps(header).encode()), b64(payload)))
    digest = hmac.new(public_pem().encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{b64(digest)}"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
