"""The list of tokens, as operators write it. Tokens themselves are in no list, only their hashes.

::

    {"tokens": [{"name": "crm", "sha256": "9f86…", "sites": ["*"], "scopes": ["read"]}]}

Invariant: no hash and no token is ever in a message.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import Counter
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from streams.api.callers import Scope

#: Every token begins so, that scanners of leaked secrets can find it.
PREFIX: Final = "crt_"
_RANDOM_BYTES: Final = 32
EVERY_SITE: Final = "*"
_SITE: Final = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")


class TokenListError(ValueError):
    """The list can't be used; the message says where and why."""


class Token(BaseModel):
    """What is known of a token, and what it allows."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="For logs.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Hash of the token, in hex.")
    sites: Annotated[frozenset[str], Field(min_length=1)] = Field(
        description="Instance ids or Wix site ids; '*' is every site."
    )
    scopes: Annotated[frozenset[Literal["read", "read:personal", "delete"]], Field(min_length=1)]
    requests_per_minute: int | None = Field(
        None, ge=1, description="Instead of the limit of the settings."
    )

    @field_validator("sites")
    @classmethod
    def _sites_are_ids(cls, sites: frozenset[str]) -> frozenset[str]:
        lower = frozenset(site.lower() for site in sites)
        if any(site != EVERY_SITE and not _SITE.fullmatch(site) for site in lower):
            raise ValueError("a site is an instance id or a Wix site id, or '*'")
        return lower

    @property
    def visible_sites(self) -> frozenset[str] | None:
        """The sites that may be seen; None: every one."""
        return None if EVERY_SITE in self.sites else self.sites

    @property
    def granted(self) -> frozenset[Scope]:
        """What may be done; who may read people may read everything else too."""
        scopes = {Scope(scope) for scope in self.scopes}
        return frozenset(scopes | {Scope.READ} if Scope.READ_PERSONAL in scopes else scopes)


class _TokenList(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    tokens: tuple[Token, ...]


def read_token_list(text: str | bytes) -> tuple[Token, ...]:
    """The tokens of a list.

    Raises:
        TokenListError: with every problem.
    """
    try:
        tokens = _TokenList.model_validate_json(text).tokens
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the list'}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise TokenListError(problems) from None
    repeated = [name for name, count in Counter(one.name for one in tokens).items() if count > 1]
    if repeated:
        raise TokenListError(f"names must differ: {', '.join(repeated)}")
    return tokens


def new_token() -> str:
    """A token that nobody can guess. It is shown once; only its hash is kept."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hash_of(token: str) -> str:
    """What a list holds of a token. Tokens are random, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
