"""Whether a request comes from our own page, for those that show a cookie and no token.

Browsers send the cookie with our own page's requests only (``SameSite=Strict``); this is the second
lock, for sites that share our registrable domain, which browsers count as the same site.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.requests import Request

_SAFE: Final = frozenset({"GET", "HEAD"})


def is_of_our_page(request: Request) -> bool:
    """By what browsers say and scripts can't change (Fetch Metadata; else the header Origin).

    Plain http on another host than localhost has no Fetch Metadata. A read may then be without
    either; what has a body may not.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # none: a person typed the address
        return site == "same-origin" or (site == "none" and request.method in _SAFE)
    origin = request.headers.get("origin")
    if origin is None:
        return request.method in _SAFE
    return urlsplit(origin).netloc == request.headers.get("host")
