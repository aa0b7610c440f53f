"""Grants that end by themselves, made of a lasting token.

Access tokens of an hour: OAuth 2 client credentials (RFC 6749 §4.4); and the sessions of people who
look at the page.

Invariant: neither outlives the token that it was made of, and one is never taken for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from streams.api.seals import BrokenSealError, Seal

if TYPE_CHECKING:
    from datetime import datetime

    from streams.api.access.token_list import Token
    from streams.api.access.tokens import Tokens

PREFIX: Final = "cro_"
LIFETIME_SECONDS: Final = 3600
#: A working day; who looks longer signs in again.
SESSION_SECONDS: Final = 12 * 3600


@dataclass(frozen=True, slots=True)
class Grant:
    """What a presented token allows: that of a lasting one, perhaps for one site, and until when.

    ``ends_at``: seconds since 1970; None: as long as the token is in the list.
    """

    token: Token
    only_site: str | None = None
    ends_at: int | None = None


class ShortLived:
    """Makes and reads those of one purpose. Nothing is stored: what they hold is sealed."""

    def __init__(
        self,
        secret: bytes,
        tokens: Tokens,
        *,
        purpose: str = "access token",
        lifetime_seconds: int = LIFETIME_SECONDS,
    ) -> None:
        self._seal = Seal(secret, purpose=purpose)
        self._tokens = tokens
        self._lifetime_seconds = lifetime_seconds

    def make(self, token: Token, *, site: str | None, now: datetime) -> str:
        """One for the holder of a lasting token."""
        ends_at = int(now.timestamp()) + self._lifetime_seconds
        content = orjson.dumps([token.name, token.sha256, site, ends_at])
        return PREFIX + self._seal.close(content, caller="")

    def read(self, presented: str, *, now: datetime) -> Grant | None:
        """What it allows; None once it has expired, or the lasting token is gone or changed."""
        try:
            content = self._seal.open(presented.removeprefix(PREFIX), caller="")
        except BrokenSealError:
            return None
        name, digest, site, ends_at = orjson.loads(content)
        token = self._tokens.named(name)
        if token is None or token.sha256 != digest or now.timestamp() >= ends_at:
            return None
        return Grant(token, site, ends_at)
