"""Says what a change of a JSON Schema breaks, within a major version.

Backward: a new reader reads what is in the topic already. Forward: a reader of today reads what
will be written. Objects are open and readers skip event types that they don't know, so an optional
field and an event type may be added; all else that a reader could notice is a break.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

Json = dict[str, Any]

_ANNOTATIONS = frozenset(
    {"$schema", "$defs", "title", "description", "examples", "default", "discriminator"}
)
_STRUCTURE = frozenset(
    {"type", "const", "enum", "properties", "required", "items", "anyOf", "oneOf", "$ref"}
)
_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


@dataclass(frozen=True)
class Break:
    """One thing that a change breaks: where, by which rule, and for whom."""

    topic: str
    field: str
    rule: str
    breaks: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.field}: {self.rule} (breaks {self.breaks})"


_OLD_RECORDS = "records that are in the topic"
_OLD_READERS = "subscribers of today"


def breaks(topic: str, old: Json, new: Json, *, part: str = "value") -> list[Break]:
    """What changing the schema of a topic from ``old`` to ``new`` breaks; empty: nothing.

    ``part`` of its records is what the schema is of, the value or the headers.
    """
    comparison = _Comparison(topic, old, new)
    return list(dict.fromkeys(comparison.compare(old, new, part)))


class _Comparison:
    """Walks two schemas side by side."""

    def __init__(self, topic: str, old: Json, new: Json) -> None:
        self._topic = topic
        self._old = old.get("$defs", {})
        self._new = new.get("$defs", {})
        self._within: list[tuple[str, str]] = []

    def compare(self, old: Json, new: Json, path: str) -> Iterator[Break]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if pair in self._within:  # a recursive definition
            return
        if all(pair):
            self._within.append(pair)
            yield from self._compare_resolved(old, new, path)
            self._within.pop()
        else:
            yield from self._compare_resolved(old, new, path)

    def _compare_resolved(self, old: Json, new: Json, path: str) -> Iterator[Break]:
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        yield from self._compare_limits(_beside_alternatives(old), _beside_alternatives(new), path)
        if "oneOf" in old and "oneOf" in new:
            yield from self._compare_types(old, new, path)
            return
        before, after = self._forms(old, self._old), self._forms(new, self._new)
        if len(before.keys() - {"null"}) == len(after.keys() - {"null"}) == 1:
            yield from self._compare_kinds(before.keys() & {"null"}, after.keys() & {"null"}, path)
            [one] = before.keys() - {"null"}
            [other] = after.keys() - {"null"}
            yield from self._compare_form(before[one], after[other], path)
            return
        yield from self._compare_kinds(set(before), set(after), path)
        for kind in sorted(before.keys() & after.keys()):
            yield from self._compare_form(before[kind], after[kind], path)

    def _compare_types(self, old: Json, new: Json, path: str) -> Iterator[Break]:
        """The members of a discriminated union: new ones are welcome."""
        before, after = self._members(old, self._old), self._members(new, self._new)
        for name, member in before.items():
            if name in after:
                yield from self.compare(member, after[name], f"{path}<{name}>")
            else:
                yield self._break(f"{path}<{name}>", "an event type was removed", _OLD_READERS)

    def _compare_form(self, old: Json, new: Json, path: str) -> Iterator[Break]:
        if _kind(old) != _kind(new):
            both = f"{_OLD_RECORDS} and {_OLD_READERS}"
            yield self._break(path, f"{_kind(old)} became {_kind(new)}", both)
            return
        yield from self._compare_values(_values(old), _values(new), path)
        yield from self._compare_limits(old, new, path)
        yield from self._compare_fields(old, new, path)
        if "items" in old and "items" in new:
            yield from self.compare(old["items"], new["items"], f"{path}[]")

    def _compare_values(
        self, old: Optional[list[Any]], new: Optional[list[Any]], path: str
    ) -> Iterator[Break]:
        if old is None and new is None:
            return
        if old is None:
            yield self._break(path, "is limited to certain values now", _OLD_RECORDS)
        elif new is None:
            yield self._break(path, "is not limited to certain values any more", _OLD_READERS)
        else:
            for value in old:
                if value not in new:
                    yield self._break(path, f"the value {value!r} was removed", _OLD_RECORDS)
            for value in new:
                if value not in old:
                    yield self._break(path, f"the value {value!r} was added", _OLD_READERS)

    def _compare_limits(self, old: Json, new: Json, path: str) -> Iterator[Break]:
        for name in sorted((old.keys() | new.keys()) - _ANNOTATIONS - _STRUCTURE):
            before, after = old.get(name), new.get(name)
            if before == after:
                continue
            if name in _LEAST | _MOST and before is not None and after is not None:
                is_tighter = (after > before) is (name in _LEAST)
                rule = f"{name} went from {before} to {after}"
                yield self._break(path, rule, _OLD_RECORDS if is_tighter else _OLD_READERS)
            elif before is None:
                yield self._break(path, f"{name} {after!r} was added", _OLD_RECORDS)
            elif after is None:
                yield self._break(path, f"{name} {before!r} was removed", _OLD_READERS)
            else:
                both = f"{_OLD_RECORDS} and {_OLD_READERS}"
                yield self._break(path, f"{name} changed from {before!r} to {after!r}", both)

    def _compare_fields(self, old: Json, new: Json, path: str) -> Iterator[Break]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            field = f"{path}.{name}"
            if name not in after:
                yield self._break(field, "the field was removed", _OLD_READERS)
                continue
            if name in is_required - was_required:
                yield self._break(field, "an optional field is required now", _OLD_RECORDS)
            if name in was_required - is_required:
                yield self._break(field, "a required field is optional now", _OLD_READERS)
            yield from self.compare(before[name], after[name], field)
        for name in after:
            if name not in before and name in is_required:
                rule = "a new field is required: give it a default"
                yield self._break(f"{path}.{name}", rule, _OLD_RECORDS)

    def _compare_kinds(self, old: set[str], new: set[str], path: str) -> Iterator[Break]:
        for kind in sorted(old - new):
            yield self._break(path, f"{kind} is not allowed any more", _OLD_RECORDS)
        for kind in sorted(new - old):
            yield self._break(path, f"{kind} is allowed now", _OLD_READERS)

    def _break(self, field: str, rule: str, broken: str) -> Break:
        return Break(self._topic, field, rule, broken)

    @staticmethod
    def _forms(schema: Json, definitions: Json) -> dict[str, Json]:
        """The alternatives by their JSON type.

        Raises:
            ValueError: two have one type, and so can't be told apart by it.
        """
        forms = [_resolved(form, definitions) for form in schema.get("anyOf", [schema])]
        found = {_kind(form): form for form in forms}
        if len(found) < len(forms):
            raise ValueError(f"alternatives of one JSON type can't be compared: {schema}")
        return found

    @staticmethod
    def _members(schema: Json, definitions: Json) -> dict[str, Json]:
        mapping = schema.get("discriminator", {}).get("mapping", {})
        return {name: _resolved({"$ref": ref}, definitions) for name, ref in mapping.items()}


def _resolved(schema: Json, definitions: Json) -> Json:
    """What a reference leads to, with what stands beside the reference."""
    while "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**definitions[schema["$ref"].rsplit("/", 1)[-1]], **beside}
    return schema


def _beside_alternatives(schema: Json) -> Json:
    """What holds for every alternative; nothing if there are none."""
    return schema if "anyOf" in schema or "oneOf" in schema else {}


def _kind(schema: Json) -> str:
    """The JSON type of a schema without alternatives; ``any`` where it is left open."""
    kind = schema.get("type")
    if kind is None:
        values = _values(schema)
        kind = type(values[0]).__name__ if values else "any"
    return str(kind)


def _values(schema: Json) -> Optional[list[Any]]:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None
