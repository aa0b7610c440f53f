"""Which parts of an entity an answer holds, when the caller names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.api.query.fields import wire_path
from streams.api.query.violations import refuse

MOST_FIELDS: Final = 100
_LONGEST_PATH: Final = 512
_DEEPEST: Final = 16

#: Names of an object's parts; an empty mapping is all of a part.
Projection = Mapping[str, "Projection"]


def read_projection(source: object, *, at: str = "fields") -> Projection | None:
    """The parts that a list of dotted paths names; None: the whole. Unknown ones are just absent.

    Raises:
        InvalidRequestError: it is no list of paths.
    """
    if source is None or source == []:
        return None
    if not isinstance(source, list):
        raise refuse(at, "must be a list", "FORMAT")
    if len(source) > MOST_FIELDS:
        raise refuse(at, f"has more than {MOST_FIELDS} fields", "MAX_SIZE")
    tree: dict[str, Any] = {}
    for index, path in enumerate(source):
        here = f"{at}[{index}]"
        if not isinstance(path, str):
            raise refuse(here, "must be a string", "FORMAT")
        if len(path) > _LONGEST_PATH:
            raise refuse(here, f"is longer than {_LONGEST_PATH} characters", "MAX_LENGTH")
        names = wire_path(path).split(".")
        if not all(names) or len(names) > _DEEPEST:
            raise refuse(here, "is no path of names with dots between them", "FORMAT")
        _add(tree, names)
    return tree


def project(value: Any, projection: Projection | None) -> Any:  # noqa: ANN401  # JSON
    """The parts of a JSON value; of a list, of each of its elements."""
    if not projection:
        return value
    if isinstance(value, list):
        return [project(item, projection) for item in value]
    if not isinstance(value, dict):
        return None
    return {
        name: project(part, projection[name]) for name, part in value.items() if name in projection
    }


def _add(tree: dict[str, Any], names: Sequence[str]) -> None:
    for name in names[:-1]:
        known = tree.get(name)
        if known == {}:  # the whole is asked for already
            return
        tree = tree.setdefault(name, {})
    tree[names[-1]] = {}
