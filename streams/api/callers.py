"""Who asks, and what may be told: a token's name, sites and scopes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import false, or_, true

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import BindParameter, Column, ColumnElement, Table


class Scope(Enum):
    """What a token allows."""

    READ = "read"
    READ_PERSONAL = "read:personal"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a token, for one request.

    Attributes:
        name: of the token, for limits and logs.
        sites: what may be seen: instance ids and Wix's site ids, lower case; None: all sites.
        scopes: what may be done.
    """

    name: str
    sites: frozenset[str] | None
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether a token allows it."""
        return scope in self.scopes

    def sees(self, instance_id: str, site_id: str | None) -> bool:
        """Whether a site is one of the caller's, by either of its names."""
        return self.sites is None or instance_id in self.sites or site_id in self.sites

    def condition(self, table: Table) -> ColumnElement[bool]:
        """The rows of the caller's sites, of a table with ``instance_id`` and ``site_id``."""
        return true() if self.sites is None else of_sites(table, sorted(self.sites))


def of_sites(table: Table, names: Sequence[str | BindParameter[str]]) -> ColumnElement[bool]:
    """The rows of sites that are named by either of their ids."""
    if not names:
        return false()
    instance: Column[Any] = table.c.instance_id
    return or_(instance.in_(names), table.c.site_id.in_(names))
