"""Within a major version no change of a schema breaks a subscriber or a record that is kept.

The table of mutations shows that the gate notices.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from schemas.compatibility import Break, breaks
from schemas.export import RELEASED, json_schemas

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EVENTS = "checkout-recovery.events.v1"
RECORDS = "records that are in the topic"
READERS = "subscribers of today"
BOTH = f"{RECORDS} and {READERS}"

Schema = dict[str, Any]


def major(version: str) -> str:
    return version.split(".", 1)[0]


def released() -> list[Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [
        pytest.param(file, id=f"{file.parent.name}-{file.stem}")
        for file in sorted(RELEASED.rglob("*.json"))
        if major(file.parent.name) == major(project["version"])
    ]


@pytest.mark.parametrize("file", released())
def test_nothing_that_was_released_in_this_major_version_is_broken(file: Path) -> None:
    found = breaks(file.stem, json.loads(file.read_text("utf-8")), json_schemas()[file.stem])
    assert found == [], "\n".join(map(str, found))


def test_every_topic_with_a_schema_is_kept_with_each_release() -> None:
    versions = [folder for folder in RELEASED.iterdir() if folder.is_dir()]
    assert versions
    for folder in versions:
        assert {file.stem for file in folder.glob("*.json")} <= json_schemas().keys()


def definition(schema: Schema, name: str) -> Schema:
    found = schema["$defs"][name]
    assert isinstance(found, dict)
    return found


def field(schema: Schema, name: str, of: str = "CheckoutRecoveredV1") -> Schema:
    found = definition(schema, of)["properties"][name]
    assert isinstance(found, dict)
    return found


def add_optional(schema: Schema) -> None:
    definition(schema, "CheckoutRecoveredV1")["properties"]["campaign"] = {"type": "string"}


def add_optional_deep(schema: Schema) -> None:
    definition(schema, "MoneyV1")["properties"]["minor_units"] = {"type": "integer"}


def describe_otherwise(schema: Schema) -> None:
    field(schema, "revision")["description"] = "Another text."
    definition(schema, "MoneyV1")["title"] = "Another title"


def add_type(schema: Schema) -> None:
    schema["$defs"]["CheckoutRemindedV1"] = {"type": "object", "properties": {}}
    schema["oneOf"].append({"$ref": "#/$defs/CheckoutRemindedV1"})
    schema["discriminator"]["mapping"]["checkout.reminded"] = "#/$defs/CheckoutRemindedV1"


def rename_definition(schema: Schema) -> None:
    text = json.dumps(schema).replace("MoneyV1", "PriceV1")
    schema.clear()
    schema.update(json.loads(text))


@pytest.mark.parametrize(
    "mutate", [add_optional, add_optional_deep, describe_otherwise, add_type, rename_definition]
)
def test_a_change_that_nobody_has_to_notice_passes(mutate: Callable[[Schema], None]) -> None:
    changed = json_schemas()[EVENTS]
    mutate(changed)
    assert changed != json_schemas()[EVENTS]
    assert breaks(EVENTS, json_schemas()[EVENTS], changed) == []


def add_required(schema: Schema) -> None:
    add_optional(schema)
    definition(schema, "CheckoutRecoveredV1")["required"].append("campaign")


def remove(schema: Schema) -> None:
    del definition(schema, "CheckoutRecoveredV1")["properties"]["last_touch"]
    definition(schema, "CheckoutRecoveredV1")["required"].remove("last_touch")


def rename(schema: Schema) -> None:
    recovered = definition(schema, "CheckoutRecoveredV1")
    recovered["properties"]["touch"] = recovered["properties"].pop("last_touch")
    recovered["required"][recovered["required"].index("last_touch")] = "touch"


def no_longer_required(schema: Schema) -> None:
    definition(schema, "CheckoutRecoveredV1")["required"].remove("recovered_at")


def remove_type(schema: Schema) -> None:
    del schema["discriminator"]["mapping"]["checkout.deleted"]


def set_in(name: str, of: str = "CheckoutRecoveredV1", **values: Any) -> Callable[[Schema], None]:
    def mutate(schema: Schema) -> None:
        field(schema, name, of).update(values)

    return mutate


def drop_from(name: str, key: str, of: str = "CheckoutRecoveredV1") -> Callable[[Schema], None]:
    def mutate(schema: Schema) -> None:
        del field(schema, name, of)[key]

    return mutate


def not_null(schema: Schema) -> None:
    field(schema, "site_id")["anyOf"] = [{"type": "string"}]


def null(schema: Schema) -> None:
    revision = field(schema, "revision")
    del revision["type"]
    revision["anyOf"] = [{"type": "integer", "minimum": 1}, {"type": "null"}]


def another_form(schema: Schema) -> None:
    field(schema, "source_event_id")["anyOf"] = [{"type": "string"}, {"type": "integer"}]
    del field(schema, "source_event_id")["type"]


def retype_items(schema: Schema) -> None:
    field(schema, "reachable_by")["items"] = {"type": "integer"}


@pytest.mark.parametrize(
    ("mutate", "where", "rule", "broken"),
    [
        (add_required, "campaign", "a new field is required", RECORDS),
        (remove, "last_touch", "the field was removed", READERS),
        (rename, "last_touch", "the field was removed", READERS),
        (rename, "touch", "a new field is required", RECORDS),
        (no_longer_required, "recovered_at", "a required field is optional now", READERS),
        (set_in("revision", type="string"), "revision", "integer became string", BOTH),
        (retype_items, "reachable_by[]", "string became integer", BOTH),
        (not_null, "site_id", "null is not allowed any more", RECORDS),
        (null, "revision", "null is allowed now", READERS),
        (another_form, "source_event_id", "integer is allowed now", READERS),
        (set_in("revision", minimum=2), "revision", "minimum went from 1 to 2", RECORDS),
        (set_in("revision", minimum=0), "revision", "minimum went from 1 to 0", READERS),
        (set_in("revision", maximum=9), "revision", "maximum 9 was added", RECORDS),
        (drop_from("revision", "minimum"), "revision", "minimum 1 was removed", READERS),
        (set_in("event_id", maxLength=9), "event_id", "maxLength 9 was added", RECORDS),
        (set_in("event_id", enum=["a"]), "event_id", "is limited to certain values", RECORDS),
        (set_in("origin", enum=["webhook", "backfill", "replay"]), "origin",
         "the value 'operator' was removed", RECORDS),
        (set_in("origin", enum=["webhook", "backfill", "replay", "operator", "poll"]), "origin",
         "the value 'poll' was added", READERS),
        (drop_from("origin", "enum"), "origin", "is not limited to certain values", READERS),
        (set_in("schema_version", const=2), "schema_version", "the value 1 was removed", RECORDS),
        (set_in("schema_version", const=2), "schema_version", "the value 2 was added", READERS),
        (set_in("amount", "MoneyV1", pattern=r"^\d+$"), "total.amount", "pattern changed", BOTH),
        (set_in("occurred_at", pattern="Z$"), "occurred_at", "pattern changed", BOTH),
        (set_in("line_items", maxItems=300), "line_items", "maxItems 300 was added", RECORDS),
    ],
)  # fmt: skip
def test_a_change_that_breaks_somebody_is_named_with_its_field_and_rule(
    mutate: Callable[[Schema], None], where: str, rule: str, broken: str
) -> None:
    changed = json_schemas()[EVENTS]
    mutate(changed)
    found = breaks(EVENTS, json_schemas()[EVENTS], changed)
    assert any(
        one.field == f"value<checkout.recovered>.{where}"
        and one.rule.startswith(rule)
        and one.breaks == broken
        for one in found
    ), "\n".join(map(str, found))


def test_a_type_that_is_taken_away_breaks_subscribers() -> None:
    changed = json_schemas()[EVENTS]
    remove_type(changed)
    assert breaks(EVENTS, json_schemas()[EVENTS], changed) == [
        Break(EVENTS, "value<checkout.deleted>", "an event type was removed", READERS)
    ]


def test_a_break_in_a_shared_part_is_named_wherever_it_shows() -> None:
    changed = json_schemas()[EVENTS]
    set_in("amount", "MoneyV1", pattern=r"^\d+$")(changed)
    fields = {one.field for one in breaks(EVENTS, json_schemas()[EVENTS], changed)}
    assert "value<checkout.abandoned>.total.amount" in fields
    assert "value<checkout.recovered>.recovered_total.amount" in fields
    assert "value<checkout.changed>.line_items[].unit_price.amount" in fields


def test_a_break_says_topic_field_rule_and_who_is_broken() -> None:
    changed = json_schemas()[EVENTS]
    remove(changed)
    [one] = breaks(EVENTS, json_schemas()[EVENTS], changed)
    assert str(one) == (
        "checkout-recovery.events.v1: value<checkout.recovered>.last_touch: the field was removed "
        "(breaks subscribers of today)"
    )


def test_a_recursive_definition_ends() -> None:
    schema = {
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    }
    assert breaks("t", schema, json.loads(json.dumps(schema))) == []


@pytest.mark.parametrize("topic", json_schemas())
def test_a_schema_breaks_nothing_of_itself(topic: str) -> None:
    assert breaks(topic, json_schemas()[topic], json_schemas()[topic]) == []
