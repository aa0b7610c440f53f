"""Access tokens of an hour, made of a lasting one: OAuth 2 client credentials (RFC 6749 §4.4)."""

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


@dataclass(frozen=True, slots=True)
class Grant:
    """What a presented token allows: that of a lasting one, perhaps for one site only."""

    token: Token
    only_site: str | None = None


class ShortLived:
    """Makes and reads them. Nothing is stored: what they hold is sealed."""

    def __init__(self, secret: bytes, tokens: Tokens) -> None:
        self._seal = Seal(secret, purpose="access token")
        self._tokens = tokens

    def make(self, token: Token, *, site: str | None, now: datetime) -> str:
        """An access token for the holder of a lasting one."""
        content = orjson.dumps(
            [token.name, token.sha256, site, int(now.timestamp()) + LIFETIME_SECONDS]
        )
        return PREFIX + self._seal.close(content, caller="")

    def read(self, presented: str, *, now: datetime) -> Grant | None:
        """What it allows; None once it has expired, or the lasting token is gone or changed."""
        try:
            content = self._seal.open(presented.removeprefix(PREFIX), caller="")
        except BrokenSealError:
            return None
        name, digest, site, expires = orjson.loads(content)
        token = self._tokens.named(name)
        if token is None or token.sha256 != digest or now.timestamp() >= expires:
            return None
        return Grant(token, site)
