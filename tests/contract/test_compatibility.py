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
from schemas.export import RELEASED, header_schemas, json_schemas

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
        pytest.param(file, id="-".join(file.relative_to(RELEASED).with_suffix("").parts))
        for file in sorted(RELEASED.rglob("*.json"))
        if major(file.relative_to(RELEASED).parts[0]) == major(project["version"])
    ]


@pytest.mark.parametrize("file", released())
def test_nothing_that_was_released_in_this_major_version_is_broken(file: Path) -> None:
    is_of_headers = file.parent.name == "headers"
    now = (header_schemas() if is_of_headers else json_schemas()).get(file.stem)
    assert now is not None, f"{file.stem}: the topic was removed"
    part = "headers" if is_of_headers else "value"
    found = breaks(file.stem, json.loads(file.read_text("utf-8")), now, part=part)
    assert found == [], "\n".join(map(str, found))


def test_every_release_of_this_major_version_is_kept_with_values_and_headers() -> None:
    kept = {path.values[0].relative_to(RELEASED).parts[:-1] for path in released()}
    versions = {parts[0] for parts in kept}
    assert versions
    assert kept == {(one,) for one in versions} | {(one, "headers") for one in versions}


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


def describe_by_example(schema: Schema) -> None:
    field(schema, "event_id")["examples"] = ["1"]
    field(schema, "event_id")["default"] = "2"


def add_optional_object_in_a_list(schema: Schema) -> None:
    schema["$defs"]["GiftV1"] = {"type": "object", "properties": {}, "required": []}
    definition(schema, "LineItemV1")["properties"]["gift"] = {"$ref": "#/$defs/GiftV1"}


def reorder(schema: Schema) -> None:
    field(schema, "origin")["enum"].reverse()
    recovered = definition(schema, "CheckoutRecoveredV1")
    recovered["required"].reverse()
    recovered["properties"] = dict(reversed(recovered["properties"].items()))
    field(schema, "site_id")["anyOf"].reverse()


def spell_a_single_value_otherwise(schema: Schema) -> None:
    version = field(schema, "schema_version")
    version["enum"] = [version.pop("const")]


def add_type(schema: Schema) -> None:
    schema["$defs"]["CheckoutRemindedV1"] = {"type": "object", "properties": {}}
    schema["oneOf"].append({"$ref": "#/$defs/CheckoutRemindedV1"})
    schema["discriminator"]["mapping"]["checkout.reminded"] = "#/$defs/CheckoutRemindedV1"


def rename_definition(schema: Schema) -> None:
    text = json.dumps(schema).replace("MoneyV1", "PriceV1")
    schema.clear()
    schema.update(json.loads(text))


@pytest.mark.parametrize(
    "mutate",
    [
        *(add_optional, add_optional_deep, add_optional_object_in_a_list, add_type),
        *(describe_otherwise, describe_by_example, rename_definition, reorder),
        spell_a_single_value_otherwise,
    ],
)
def test_a_change_that_nobody_has_to_notice_passes(mutate: Callable[[Schema], None]) -> None:
    changed = json_schemas()[EVENTS]
    mutate(changed)
    assert json.dumps(changed) != json.dumps(json_schemas()[EVENTS])
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
    schema["oneOf"] = [one for one in schema["oneOf"] if "Deleted" not in one["$ref"]]


def rename_type(schema: Schema) -> None:
    mapping = schema["discriminator"]["mapping"]
    mapping["checkout.removed"] = mapping.pop("checkout.deleted")


def no_longer_a_union(schema: Schema) -> None:
    del schema["oneOf"], schema["discriminator"]
    schema["$ref"] = "#/$defs/CheckoutRecoveredV1"


def narrow_a_nullable_list_of_values(schema: Schema) -> None:
    [values, _] = field(schema, "stage")["anyOf"]
    values["enum"].remove("cart")


def require_in_a_list(schema: Schema) -> None:
    line = definition(schema, "LineItemV1")
    line["properties"]["gift"] = {"type": "boolean"}
    line["required"].append("gift")


def forbid_a_kind(schema: Schema) -> None:
    field(schema, "buyer")["not"] = {"properties": {"kind": {"const": "user"}}}


def make_a_list_of(schema: Schema) -> None:
    buyer = field(schema, "buyer")
    buyer["items"] = {"$ref": buyer.pop("$ref")}
    buyer["type"] = "array"


def within(of: str, **values: Any) -> Callable[[Schema], None]:
    def mutate(schema: Schema) -> None:
        definition(schema, of).update(values)

    return mutate


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
        (set_in("event_id", minLength=1), "event_id", "minLength 1 was added", RECORDS),
        (set_in("event_id", format="uuid"), "event_id", "format 'uuid' was added", RECORDS),
        (set_in("revision", multipleOf=2), "revision", "multipleOf 2 was added", RECORDS),
        (set_in("reachable_by", uniqueItems=True), "reachable_by", "uniqueItems True", RECORDS),
        (forbid_a_kind, "buyer", "not ", RECORDS),
        (set_in("site_id", maxLength=3), "site_id", "maxLength 3 was added", RECORDS),
        (drop_from("currency", "pattern", "MoneyV1"), "total.currency",
         "pattern '^[A-Z]{3}$' was removed", READERS),
        (within("BuyerV1", additionalProperties=False), "buyer",
         "additionalProperties False was added", RECORDS),
        (narrow_a_nullable_list_of_values, "stage", "the value 'cart' was removed", RECORDS),
        (set_in("origin", enum=["hook", "backfill", "replay", "operator"]), "origin",
         "the value 'webhook' was removed", RECORDS),
        (set_in("origin", enum=["hook", "backfill", "replay", "operator"]), "origin",
         "the value 'hook' was added", READERS),
        (set_in("quantity", "LineItemV1", anyOf=[{"type": "number"}, {"type": "null"}]),
         "line_items[].quantity", "integer became number", BOTH),
        (require_in_a_list, "line_items[].gift", "a new field is required", RECORDS),
        (make_a_list_of, "buyer", "object became array", BOTH),
        (set_in("item_count", type="boolean"), "item_count", "integer became boolean", BOTH),
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


@pytest.mark.parametrize("mutate", [remove_type, rename_type])
def test_a_type_that_is_taken_away_breaks_subscribers(mutate: Callable[[Schema], None]) -> None:
    changed = json_schemas()[EVENTS]
    mutate(changed)
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


def test_one_shape_instead_of_several_types_breaks_both() -> None:
    changed = json_schemas()[EVENTS]
    no_longer_a_union(changed)
    [one] = breaks(EVENTS, json_schemas()[EVENTS], changed)
    assert (one.field, one.breaks) == ("value", BOTH)


def test_alternatives_of_one_json_type_are_refused_instead_of_passed() -> None:
    text_or_text = {"anyOf": [{"type": "string", "pattern": "a"}, {"type": "string"}]}
    with pytest.raises(ValueError, match="can't be compared"):
        breaks("t", text_or_text, text_or_text)


def conversion_without_a_window_field(schema: Schema) -> None:
    del definition(schema, "WindowV1")["properties"]["previous"]


def source_with_a_stricter_field(schema: Schema) -> None:
    field(schema, "weight", "PhysicalPropertiesV1")["anyOf"] = [{"type": "number"}]


@pytest.mark.parametrize(
    ("topic", "mutate", "says"),
    [
        ("checkout-recovery.conversion.v1", conversion_without_a_window_field,
         "value.windows[].previous: the field was removed"),
        ("wix.abandoned-checkouts.v1", source_with_a_stricter_field,
         "value.createdEvent.entity.lineItems[].physicalProperties.weight: string is not allowed"),
    ],
)  # fmt: skip
def test_each_topic_is_compared_to_its_depth(
    topic: str, mutate: Callable[[Schema], None], says: str
) -> None:
    changed = json_schemas()[topic]
    mutate(changed)
    found = [str(one) for one in breaks(topic, json_schemas()[topic], changed)]
    assert any(one.startswith(f"{topic}: {says}") for one in found), found


def remove_header(schema: Schema) -> None:
    del schema["properties"]["traceparent"]


def require_header(schema: Schema) -> None:
    schema["required"].append("traceparent")


def add_required_header(schema: Schema) -> None:
    schema["properties"]["ce_more"] = {"type": "string"}
    schema["required"].append("ce_more")


def other_content(schema: Schema) -> None:
    schema["properties"]["content-type"]["enum"] = ["application/avro"]


@pytest.mark.parametrize(
    ("mutate", "says"),
    [
        (remove_header, "headers.traceparent: the field was removed"),
        (require_header, "headers.traceparent: an optional field is required now"),
        (add_required_header, "headers.ce_more: a new field is required"),
        (other_content, "headers.content-type: the value 'application/json' was removed"),
    ],
)
def test_headers_are_compared_as_values_are(mutate: Callable[[Schema], None], says: str) -> None:
    changed = header_schemas()[EVENTS]
    mutate(changed)
    found = breaks(EVENTS, header_schemas()[EVENTS], changed, part="headers")
    assert any(str(one).startswith(f"{EVENTS}: {says}") for one in found), found


def test_a_header_that_may_be_missing_can_be_added() -> None:
    changed = header_schemas()[EVENTS]
    changed["properties"]["ce_more"] = {"type": "string"}
    assert breaks(EVENTS, header_schemas()[EVENTS], changed, part="headers") == []


def test_a_recursive_definition_ends() -> None:
    schema = {
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    }
    assert breaks("t", schema, json.loads(json.dumps(schema))) == []


@pytest.mark.parametrize("topic", json_schemas())
def test_a_schema_breaks_nothing_of_itself(topic: str) -> None:
    assert breaks(topic, json_schemas()[topic], json_schemas()[topic]) == []
