"""Lets a request in: whose token it is, within its limit, for sites that the token may see.

Invariant: a site that the token may not see and one that does not exist get the same answer.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_, select

from streams.adapters.database.tables import SITES
from streams.api.access.limits import Limits
from streams.api.access.origin import is_of_our_page
from streams.api.access.short_lived import (
    PREFIX,
    SESSION_SECONDS,
    Grant,
    ShortLived,
)
from streams.api.access.tokens import Tokens
from streams.api.callers import Caller, Scope
from streams.api.errors import ApiError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from starlette.requests import Request

    from streams.config import Settings

SITE_HEADER: Final = "wix-site-id"
#: Scripts can't read it, other sites' pages can't send it, and it opens reads only.
SESSION_COOKIE: Final = "checkout_recovery_session"
_LONGEST_SITE: Final = 64
#: Of an address; a token has 256 random bits, so this bounds our work and not a guesser's luck.
_SIGN_INS_PER_MINUTE: Final = 120


class Guard:
    """The one way from a request to a caller."""

    def __init__(self, settings: Settings, engine: AsyncEngine, *, secret: bytes) -> None:
        """Read the tokens.

        Raises:
            ConfigurationError: a list of tokens can't be used.
        """
        self._tokens = Tokens(settings)
        self._short_lived = ShortLived(secret, self._tokens)
        self._sessions = ShortLived(
            secret, self._tokens, purpose="session", lifetime_seconds=SESSION_SECONDS
        )
        self._limits = Limits()
        self._per_minute = settings.api_requests_per_minute
        self._engine = engine

    async def admit(self, request: Request, *, takes_sessions: bool = False) -> Caller:
        """The caller of a request. ``takes_sessions``: it reads only, so a cookie will do.

        Raises:
            ApiError: 401 without a valid token, 403 where it does not reach, 429 over its limit.
        """
        return await self.caller_of(request, self.grant_of(request, takes_sessions=takes_sessions))

    async def caller_of(self, request: Request, grant: Grant) -> Caller:
        """The caller that a grant makes of a request; counts the request.

        Raises:
            ApiError: 403 where the grant does not reach, 429 over its limit.
        """
        token = grant.token
        self._limit(f"token {token.name}", token.requests_per_minute or self._per_minute)
        caller = Caller(token.name, token.visible_sites, token.granted)
        if grant.only_site is not None:
            caller = await self._narrowed(caller, grant.only_site)
        site = request.headers.get(SITE_HEADER)
        return caller if not site else await self._narrowed(caller, site.lower())

    def limit_address(self, request: Request) -> None:
        """Count a request that needs no token.

        As many as a token's: behind a proxy all buyers have one address.

        Raises:
            ApiError: 429, its address has asked too often.
        """
        self._limit(f"address {_address(request)}", self._per_minute)

    async def access_token(self, secret: str, instance_id: str | None) -> str:
        """A short-lived token for a lasting one, for one site if it is named.

        Raises:
            ApiError: 401, there is no such token; 403, the site is not its own.
        """
        token = self._tokens.find(secret)
        if token is None:
            raise ApiError(401, "INVALID_CLIENT", "client_secret must be a valid token")
        site = instance_id.lower() if instance_id else None
        if site is not None:
            await self._narrowed(Caller(token.name, token.visible_sites, token.granted), site)
        return self._short_lived.make(token, site=site, now=datetime.now(UTC))

    def sign_in(self, request: Request, presented: str) -> str:
        """A session for who has a token; what the cookie holds.

        Raises:
            ApiError: 401, there is no such token; 429, its address has tried too often.
        """
        self._limit(f"sign-in {_address(request)}", _SIGN_INS_PER_MINUTE)
        token = self._tokens.find(presented)
        if token is None:
            raise ApiError(401, "UNAUTHENTICATED", "this is no valid token")
        return self._sessions.make(token, site=None, now=datetime.now(UTC))

    def is_valid(self, grant: Grant) -> bool:
        """Whether a grant still holds: its time is not over, and its token is in the list."""
        token = self._tokens.named(grant.token.name)
        is_over = grant.ends_at is not None and datetime.now(UTC).timestamp() >= grant.ends_at
        return token == grant.token and not is_over

    def grant_of(self, request: Request, *, takes_sessions: bool) -> Grant:
        """What a request may do: by its token, or by the cookie if that will do.

        Raises:
            ApiError: 401, it has neither.
        """
        header = request.headers.get("authorization", "")
        kind, _, rest = header.partition(" ")
        presented = (rest if kind.lower() == "bearer" else header).strip()
        found: Grant | None = None
        if not presented and takes_sessions and is_of_our_page(request):
            cookie = request.cookies.get(SESSION_COOKIE, "")
            found = self._sessions.read(cookie, now=datetime.now(UTC))
        elif presented.startswith(PREFIX):
            found = self._short_lived.read(presented, now=datetime.now(UTC))
        elif presented:
            token = self._tokens.find(presented)
            found = None if token is None else Grant(token)
        if found is None:
            raise ApiError(
                401,
                "UNAUTHENTICATED",
                "a valid token is needed in the header Authorization",
                headers={"www-authenticate": "Bearer"},
            )
        return found

    def _limit(self, name: str, per_minute: int) -> None:
        wait = self._limits.take(name, per_minute=per_minute, now=time.monotonic())
        if wait:
            raise ApiError(
                429,
                "RATE_LIMIT_EXCEEDED",
                f"more than {per_minute} requests a minute",
                headers={"retry-after": str(wait)},
            )

    async def _narrowed(self, caller: Caller, site: str) -> Caller:
        """The caller, for one of its sites by either of that site's names."""
        if len(site) <= _LONGEST_SITE:
            if caller.sites is None or site in caller.sites:
                return Caller(caller.name, frozenset({site}), caller.scopes)
            seen = await self._aliases(caller.sites, site)
            if seen:
                return Caller(caller.name, seen, caller.scopes)
        raise ApiError(
            403, "PERMISSION_DENIED", f"the token does not see the site of {SITE_HEADER}"
        )

    async def _aliases(self, allowed: frozenset[str], site: str) -> frozenset[str]:
        """Installations on a site that is the caller's by its other name."""
        columns = SITES.c
        query = select(columns.instance_id, columns.site_id).where(
            or_(columns.instance_id == site, columns.site_id == site)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return frozenset(
            instance_id
            for instance_id, site_id in rows
            if instance_id in allowed or site_id in allowed
        )


def _address(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


def require(caller: Caller, scope: Scope) -> None:
    """Check that a caller may do something.

    Raises:
        ApiError: 403, it may not.
    """
    if not caller.may(scope):
        raise ApiError(403, "PERMISSION_DENIED", f"the token needs the scope {scope.value}")
