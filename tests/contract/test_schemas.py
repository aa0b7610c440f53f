"""The contracts: what is committed is what the models say and what the product writes."""

from __future__ import annotations

import ast
import json
import sys
import uuid
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from schemas import lifecycle as contract
from schemas.conversion import ConversionV1, check_conversion, read_conversion
from schemas.dead_letter import DeadLetterReason, DeadLetterStage
from schemas.export import DIRECTORY, header_schemas, json_schemas
from schemas.headers import HEADERS
from schemas.lifecycle import check_lifecycle, event_id, read_lifecycle
from schemas.source import read_source
from streams.adapters import lifecycle as writer
from streams.adapters.topics import load_topics
from streams.ingress.connection import LARGEST_BODY
from streams.worker import measuring, tracking
from tests.support import entities, examples
from tests.support.signing import token
from tests.support.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCE = "wix.abandoned-checkouts.v1"
EVENTS = "checkout-recovery.events.v1"
CONVERSION = "checkout-recovery.conversion.v1"
DEAD_LETTERS = "checkout-recovery.dead-letters.v1"
FILES = sorted(examples.DIRECTORY.rglob("*.json"))


def load(file: Path) -> dict[str, Any]:
    content = json.loads(file.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def of(topic: str, *, is_small: bool = False) -> list[Any]:
    """The examples of a topic; the small ones for tests that change each field of each object."""
    return [
        pytest.param(load(file), id=file.stem)
        for file in FILES
        if file.parent.name == topic
        and not (is_small and file.stat().st_size > examples.MAX_READABLE)
    ]


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every object inside."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            yield from objects(inner, (*path, name))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from objects(inner, (*path, at))


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_the_committed_examples_are_what_the_product_makes() -> None:
    made = {
        examples.DIRECTORY / topic / f"{name}.json": examples.text_of(content)
        for topic, name, content in examples.records()
    }
    assert {file: file.read_text("utf-8") for file in FILES} == made, (
        "run `python -m tests.support.examples` and look at the difference"
    )


def test_the_committed_json_schemas_are_those_of_the_models() -> None:
    for folder, made in ((DIRECTORY, json_schemas()), (DIRECTORY / "headers", header_schemas())):
        committed = {file.stem: load(file) for file in folder.glob("*.json")}
        assert committed == made, "run `python -m schemas.export` and look at the difference"


@pytest.mark.parametrize("schema", [*json_schemas().values(), *header_schemas().values()])
def test_every_json_schema_is_a_valid_one_of_2020_12(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_example_passes_an_independent_validator(file: Path) -> None:
    content = load(file)
    headers = Draft202012Validator(header_schemas()[file.parent.name])
    assert list(headers.iter_errors(content["headers"])) == []
    schema = json_schemas().get(file.parent.name)
    if schema is None:
        assert file.parent.name == DEAD_LETTERS
        return
    errors = list(Draft202012Validator(schema).iter_errors(content["value"]))
    assert errors == []


@pytest.mark.parametrize("example", of(EVENTS))
def test_lifecycle_examples_pass_the_writers_check(example: dict[str, Any]) -> None:
    event = check_lifecycle(encoded(example["value"]))
    assert event.event_id == example["headers"]["ce_id"]
    assert event.type == example["headers"]["ce_type"]
    assert event.occurred_at == example["headers"]["ce_time"]
    assert event.abandoned_checkout_id == example["headers"]["ce_subject"] == example["key"]
    if event.type != "checkout.changed":
        assert event.event_id == event_id(event.abandoned_checkout_id, event.type)


@pytest.mark.parametrize("example", of(CONVERSION))
def test_conversion_examples_pass_the_writers_check(example: dict[str, Any]) -> None:
    record = check_conversion(encoded(example["value"]))
    assert record.instance_id == example["key"] == example["headers"]["ce_subject"]
    assert record.computed_at == example["headers"]["ce_time"]


@pytest.mark.parametrize("example", of(SOURCE))
def test_source_examples_are_read_with_every_field_kept(example: dict[str, Any]) -> None:
    event = read_source(encoded(example["value"]))
    assert event.id == example["headers"]["ce_id"]
    assert event.model_dump(mode="json", exclude_unset=True) == example["value"]
    if event.entity is not None:
        assert event.entity.id == example["key"]


def test_the_examples_show_every_event_type_and_what_is_special() -> None:
    events = [parameter.values[0]["value"] for parameter in of(EVENTS)]
    assert {event["type"] for event in events} == set(contract.EVENT_TYPES)
    assert {event["total"]["currency"] for event in events if event["total"]} == {
        "EUR",
        "USD",
        "JPY",
    }
    assert any(
        event["type"] == "checkout.abandoned"
        and event["buyer"]["email"] is None
        and event["buyer"]["kind"] == "visitor"
        for event in events
    )
    assert any(event["converted_total"] for event in events)
    assert any(event.get("last_touch") for event in events)
    assert any(event["stage"] == "cart" for event in events)
    sources = [parameter.values[0]["value"] for parameter in of(SOURCE)]
    assert any("somethingThatWixAddedLater" in json.dumps(value) for value in sources)
    assert any(value["triggeredByAnonymizeRequest"] for value in sources)
    [site] = [parameter.values[0]["value"] for parameter in of(CONVERSION)]
    assert len(site["windows"]) == 4
    assert len(site["windows"][-1]["money"]) == 3


def test_the_largest_example_is_at_every_limit_of_wix_and_fits_through_every_door() -> None:
    [source] = [one.values[0] for one in of(SOURCE) if one.id == "12-largest"]
    [event] = [one.values[0] for one in of(EVENTS) if one.id == "12-abandoned-largest"]
    entity = source["value"]["createdEvent"]["entity"]
    assert len(entity["lineItems"]) == len(event["value"]["line_items"]) == entities.MAX_LINES
    assert len(entity["appliedDiscounts"]) == entities.MAX_DISCOUNTS
    assert len(event["value"]["discounts"]) == entities.MAX_DISCOUNTS
    assert len(entity["activities"]) == entities.MAX_ACTIVITIES
    assert len(event["value"]["automation"]["activities"]) == entities.MAX_ACTIVITIES
    buyer = event["value"]["buyer"]
    assert len(buyer["email"]) == entities.MAX_EMAIL
    assert len(buyer["first_name"]) == len(buyer["last_name"]) == entities.MAX_NAME
    assert len(buyer["company"]) == entities.MAX_COMPANY
    paid = sum(
        line["quantity"] * Decimal(line["unit_price"]["amount"])
        for line in event["value"]["line_items"]
    )
    assert paid == Decimal(event["value"]["subtotal"]["amount"])
    assert len(token(source["value"])) < LARGEST_BODY
    largest_record = min(topic.max_message_bytes for topic in load_topics().topics)
    for example in (source, event):
        headers = sum(len(name) + len(text) for name, text in example["headers"].items())
        assert len(encoded(example["value"])) + headers < largest_record


def test_after_an_erasure_an_example_holds_nothing_personal() -> None:
    for parameter in of(EVENTS):
        value = parameter.values[0]["value"]
        if value["type"] in {"checkout.anonymized", "checkout.deleted"}:
            assert set(value["buyer"].values()) == {None}
            assert value["checkout_url"] is None
            assert value["subject_key"] is None
            assert value["reachable_by"] == []


@pytest.mark.parametrize("example", [*of(EVENTS, is_small=True), *of(CONVERSION)])
def test_a_reader_survives_a_new_field_in_every_object_and_a_writer_is_refused_it(
    example: dict[str, Any],
) -> None:
    value = example["value"]
    is_event = "type" in value
    read = read_lifecycle if is_event else read_conversion
    check = check_lifecycle if is_event else check_conversion
    known = read(encoded(value))
    for path in objects(value):
        newer = copied(value)
        at(newer, path)["added_by_a_later_release"] = {"nested": [1]}
        assert read(encoded(newer)) == known
        with pytest.raises(ValueError, match="added_by_a_later_release"):
            check(encoded(newer))


@pytest.mark.parametrize("example", [*of(EVENTS, is_small=True), *of(CONVERSION)])
def test_every_key_is_always_present(example: dict[str, Any]) -> None:
    value = example["value"]
    check = check_lifecycle if "type" in value else check_conversion
    for path in objects(value):
        for name in at(value, path):
            lacking = copied(value)
            del at(lacking, path)[name]
            with pytest.raises(ValueError, match=r"[Ff]ield required|discriminator"):
                check(encoded(lacking))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("revision", "1"),
        ("revision", 0),
        ("is_staff", 1),
        ("occurred_at", "2026-03-14T09:26:53Z"),
        ("occurred_at", "2026-03-14T09:26:53.589+00:00"),
        ("total", {"amount": 81.22, "currency": "EUR", "formatted": None}),
        ("total", {"amount": "8.1E1", "currency": "EUR", "formatted": None}),
        ("total", {"amount": "-1", "currency": "EUR", "formatted": None}),
        ("total", {"amount": "1", "currency": "eur", "formatted": None}),
        ("checkout_url", "http://shop.example/"),
        ("schema_version", 2),
        ("line_items", None),
        ("stage", "basket"),
    ],
)
def test_a_writer_may_not_bend_a_type(field: str, wrong: Any) -> None:
    [example] = [
        parameter.values[0]
        for parameter in of(EVENTS)
        if parameter.id == "04-recovered-guest-recovered"
    ]
    with pytest.raises(ValueError, match="validation error"):
        check_lifecycle(encoded({**example["value"], field: wrong}))


def test_a_type_of_a_later_release_is_none_to_a_reader() -> None:
    assert read_lifecycle(b'{"type": "checkout.reminded", "anything": 1}') is None


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b'{"type": 1}', b'{"type":"checkout.deleted"}']
)
def test_what_is_no_lifecycle_event_is_a_value_error(value: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_lifecycle(value)


@pytest.mark.parametrize("spelling", ["object", "text"])
@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("createdEvent", "entityAsJson"),
        ("updatedEvent", "currentEntityAsJson"),
        ("actionEvent", "bodyAsJson"),
        ("deletedEvent", "deletedEntityAsJson"),
    ],
)
def test_the_older_spellings_of_a_member_are_read(member: str, name: str, spelling: str) -> None:
    entity: Any = {"id": "c-1", "lineItems": [{"image": "https://static.shop.example/1.jpg"}]}
    held = {"abandonedCheckout": entity} if member == "actionEvent" else entity
    value = {member: {name: json.dumps(held) if spelling == "text" else held}}
    read = read_source(encoded(value)).entity
    assert read is not None
    assert read.id == "c-1"


def test_an_event_without_an_entity_is_read() -> None:
    assert read_source(b'{"deletedEvent": {}}').entity is None
    assert read_source(b'{"actionEvent": {}}').entity is None
    assert read_source(b"{}").entity is None


def test_every_field_of_every_contract_is_described() -> None:
    bare = []
    for topic, schema in json_schemas().items():
        for name, definition in {"": schema, **schema["$defs"]}.items():
            bare += [
                f"{topic} {name}.{field}"
                for field, content in definition.get("properties", {}).items()
                if "description" not in content
            ]
            if name and "description" not in definition:
                bare.append(f"{topic} {name}")
    assert bare == []


#: What a number may be of.
UNITS = (
    *("seconds", "pixels", "percent", "main unit", "unit of weight"),
    *("number", "share from 0 to 1", "ratio from 0", "version"),
)


def test_every_number_says_its_unit_and_every_instant_its_zone() -> None:
    found: dict[str, Any] = {}
    for topic, schema in json_schemas().items():
        for name, definition in {"": schema, **schema["$defs"]}.items():
            for field, content in definition.get("properties", {}).items():
                found[f"{topic} {name}.{field}"] = content
    instants = {place: one for place, one in found.items() if r"\\d{4}-" in json.dumps(one)}
    assert len(instants) > 20
    assert [place for place, one in instants.items() if '"2026-03-14T' not in json.dumps(one)] == []
    numbers = {
        place: one
        for place, one in found.items()
        if place not in instants
        and any(sign in json.dumps(one) for sign in ('"integer"', '"number"', r"^\\d+"))
    }
    assert len(numbers) > 40
    silent = [
        place
        for place, one in numbers.items()
        if not any(unit in one["description"].lower() for unit in UNITS)
    ]
    assert silent == []


def test_published_schemas_are_open_so_that_an_added_field_breaks_no_subscriber() -> None:
    assert 'additionalProperties": false' not in json.dumps(json_schemas())


def test_conversion_fields_have_the_names_of_the_wire() -> None:
    window = ConversionV1.model_json_schema()["$defs"]["WindowV1"]["properties"]
    assert {"from", "to"} <= window.keys()


def test_the_writer_and_the_contract_make_the_same_ids() -> None:
    assert writer.NAMESPACE == contract.NAMESPACE
    made = uuid.uuid5(writer.NAMESPACE, "c-1|checkout.recovered|")
    assert event_id("c-1", "checkout.recovered") == str(made)


@pytest.mark.parametrize("topic", HEADERS)
def test_every_header_that_is_written_is_declared(topic: str) -> None:
    names = {header.name for header in HEADERS[topic]}
    for parameter in of(topic):
        written = set(parameter.values[0]["headers"])
        assert written <= names | ({"content-type"} if topic == DEAD_LETTERS else set())


def test_the_reason_codes_are_those_that_the_code_gives() -> None:
    given = set()
    for file in (ROOT / "streams").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "InvalidMessage"
                and isinstance(node.args[0], ast.Constant)
            ):
                given.add(node.args[0].value)
    assert given == {reason.value for reason in DeadLetterReason}
    assert all(reason.description for reason in DeadLetterReason)


def test_the_stages_of_dead_letters_are_those_of_the_workers() -> None:
    assert {"ingress", tracking.STAGE, measuring.STAGE} == {
        stage.value for stage in DeadLetterStage
    }


@pytest.mark.parametrize(
    "file", sorted((ROOT / "schemas").glob("*.py")), ids=lambda file: file.name
)
def test_the_package_needs_pydantic_and_python_3_10_only(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"), feature_version=(3, 10))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            roots = {str(node.module).split(".")[0]}
        else:
            continue
        allowed = {"pytest"} if file.name == "pytest_plugin.py" else set()
        assert roots <= {"pydantic", *allowed, *sys.stdlib_module_names}


def test_a_built_wheel_holds_the_table_the_schemas_and_the_examples(tmp_path: Path) -> None:
    answer = run_uv(["build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(ROOT)])
    assert answer.returncode == 0, answer.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("schemas/topics.yaml") == (ROOT / "deploy/topics.yaml").read_bytes()
    for folder in (DIRECTORY, examples.DIRECTORY):
        for file in folder.rglob("*.json"):
            assert file.relative_to(ROOT).as_posix() in names
