"""The fields that can be asked for: the union of the tables that Wix has published.

The query table of the documentation, the query and the search specification of the SDK.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

STATUSES: Final = ("ABANDONED", "RECOVERED")


class Kind(Enum):
    """How values of a field compare."""

    ID = "id"  # in lower case
    TEXT = "text"  # letter by letter; prefixes and parts whatever the case
    STATUS = "status"
    INSTANT = "instant"
    AMOUNT = "amount"  # as decimals, though Wix writes strings
    TEXTS = "texts"  # a list of texts


@dataclass(frozen=True, slots=True)
class Field:
    """A path into the entity. ``is_personal``: only callers that may read people see it."""

    path: str
    kind: Kind
    is_personal: bool = False

    @property
    def is_sortable(self) -> bool:
        """Whether results can be ordered by it: by one value, that is."""
        return self.kind is not Kind.TEXTS


_ALL: Final = (
    Field("id", Kind.ID),
    Field("createdDate", Kind.INSTANT),
    Field("updatedDate", Kind.INSTANT),
    Field("status", Kind.STATUS),
    Field("buyerInfo.contactId", Kind.TEXT, is_personal=True),
    Field("buyerInfo.email", Kind.TEXT, is_personal=True),
    Field("buyerInfo.memberId", Kind.TEXT, is_personal=True),
    Field("buyerInfo.userId", Kind.TEXT, is_personal=True),
    Field("buyerInfo.visitorId", Kind.TEXT, is_personal=True),
    Field("contactDetails.firstName", Kind.TEXT, is_personal=True),
    Field("contactDetails.lastName", Kind.TEXT, is_personal=True),
    Field("totalPrice.amount", Kind.AMOUNT),
    Field("totalPrice.convertedAmount", Kind.AMOUNT),
    Field("activities.type", Kind.TEXTS),
    Field("appliedDiscounts.coupon.code", Kind.TEXTS, is_personal=True),
)
FIELDS: Final = {field.path: field for field in _ALL}
ID: Final = FIELDS["id"]
CREATED: Final = FIELDS["createdDate"]
#: Where free text is looked for, as Wix's search does.
SEARCHED: Final = tuple(
    FIELDS[path]
    for path in ("buyerInfo.email", "contactDetails.firstName", "contactDetails.lastName")
)
#: The SDK's names of system fields; it renames them itself, except in lists of fields.
_SDK_NAMES: Final = {"_id": "id", "_createdDate": "createdDate", "_updatedDate": "updatedDate"}


def wire_path(path: str) -> str:
    """The path with the SDK's names of system fields turned into those of REST."""
    return ".".join(_SDK_NAMES.get(part, part) for part in path.split("."))
