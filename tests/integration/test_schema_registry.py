"""``schemas register`` and ``schemas check`` with a real Schema Registry, Apicurio's."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from schemas.export import json_schemas
from streams.adapters.errors import RegistryError
from streams.adapters.schema_registry import (
    State,
    SubjectState,
    check_schemas,
    register_schemas,
)
from streams.config import PREFIX, ConfigurationError, Settings, load_settings
from tests.support.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE, EVENTS, CONVERSION = json_schemas()
DRAFT_07 = "http://json-schema.org/draft-07/schema#"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def settings(url: str, topic_prefix: str) -> Settings:
    """Of an installation of the test's own in the shared registry."""
    return load_settings(schema_registry_url=url, topic_prefix=topic_prefix)


@pytest.fixture
def client(url: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": url}) as found:
        yield found


def subject(settings: Settings, topic: str) -> str:
    return f"{settings.topic(topic)}-value"


def states(found: list[SubjectState]) -> list[State]:
    return [one.state for one in found]


def put(
    client: SchemaRegistryClient,
    settings: Settings,
    topic: str,
    change: Callable[[dict[str, Any]], object],
) -> dict[str, Any]:
    """Register what another release would have; the level is the strictest."""
    schema = json_schemas()[topic]
    change(schema)
    client.register_schema(subject(settings, topic), Schema(json.dumps(schema), "JSON"))
    client.set_compatibility(subject(settings, topic), "FULL_TRANSITIVE")
    return schema


def test_registering_twice_makes_one_version_of_each_and_touches_no_other_subject(
    settings: Settings, client: SchemaRegistryClient
) -> None:
    whole = client.get_compatibility()
    assert states(check_schemas(settings)) == [State.NEW] * 3
    for _ in range(2):
        assert states(register_schemas(settings)) == [State.REGISTERED] * 3
    assert states(check_schemas(settings)) == [State.REGISTERED] * 3
    for topic, schema in json_schemas().items():
        name = subject(settings, topic)
        assert client.get_versions(name) == [1]
        held = client.get_latest_version(name).schema
        assert held is not None
        assert json.loads(held.schema_str or "") == schema
        assert client.get_compatibility(name) == "NONE"
    assert client.get_compatibility() == whole


def without_a_type(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [one for one in schema["oneOf"] if "Changed" not in one["$ref"]]
    del schema["discriminator"]["mapping"]["checkout.changed"]


def without_a_field(schema: dict[str, Any]) -> None:
    del schema["properties"]["originatedFrom"]


@pytest.mark.parametrize(
    ("topic", "without"), [(SOURCE, without_a_field), (EVENTS, without_a_type)]
)
def test_a_new_field_and_a_new_type_are_registered_though_a_registry_itself_would_refuse_them(
    settings: Settings,
    client: SchemaRegistryClient,
    topic: str,
    without: Callable[[dict[str, Any]], None],
) -> None:
    alone = f"{settings.topic_prefix}alone"  # in a dialect that this registry can compare
    schema = {**json_schemas()[topic], "$schema": DRAFT_07}
    ours = Schema(json.dumps(schema), "JSON")
    without(schema)
    client.register_schema(alone, Schema(json.dumps(schema), "JSON"))
    client.set_compatibility(alone, "FULL")
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema(alone, ours)
    assert refused.value.http_status_code == 409
    put(client, settings, topic, without)
    assert states(check_schemas(settings)) == [State.NEW] * 3
    assert states(register_schemas(settings)) == [State.REGISTERED] * 3
    assert client.get_versions(subject(settings, topic)) == [1, 2]


def with_a_field(schema: dict[str, Any]) -> None:
    recovered = schema["$defs"]["CheckoutRecoveredV1"]
    recovered["properties"]["campaign"] = {"type": "string"}
    recovered["required"].append("campaign")


def test_what_breaks_a_registered_version_is_named_and_nothing_at_all_is_registered(
    settings: Settings, client: SchemaRegistryClient
) -> None:
    put(client, settings, EVENTS, with_a_field)
    for found in (check_schemas(settings), register_schemas(settings)):
        assert states(found) == [State.NEW, State.BREAKS, State.NEW]
        assert found[1].subject == subject(settings, EVENTS)
        assert found[1].what == (
            "version 1: value<checkout.recovered>.campaign: the field was removed "
            "(breaks subscribers of today)"
        )
    with pytest.raises(SchemaRegistryError):
        client.get_versions(subject(settings, SOURCE))


def test_going_back_to_a_release_that_is_registered_is_no_break(
    settings: Settings, client: SchemaRegistryClient
) -> None:
    register_schemas(settings)
    client.register_schema(
        subject(settings, CONVERSION),
        Schema(json.dumps({**json_schemas()[CONVERSION], "required": []}), "JSON"),
    )
    found = register_schemas(settings)
    assert states(found) == [State.REGISTERED] * 3
    assert found[2].what == "version 1 of 2"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("AVRO", {"type": "record", "name": "A", "fields": []}),
        (
            "JSON",
            {
                "$schema": DRAFT_07,
                "type": "object",
                "properties": {"id": {"$ref": "#/definitions/Id"}},
                "definitions": {"Id": {"type": "string"}},
            },
        ),
    ],
)
def test_a_schema_that_is_none_of_ours_under_our_name_is_told(
    settings: Settings, client: SchemaRegistryClient, kind: str, content: object
) -> None:
    client.register_schema(subject(settings, SOURCE), Schema(json.dumps(content), kind))
    found = check_schemas(settings)
    assert states(found) == [State.BREAKS, State.NEW, State.NEW]
    assert "no JSON Schema of ours" in found[0].what


def test_the_commands_print_each_subject_and_end_with_one_only_if_something_breaks(
    settings: Settings, client: SchemaRegistryClient
) -> None:
    environment = {
        **os.environ,
        f"{PREFIX}SCHEMA_REGISTRY_URL": settings.schema_registry_url or "",
        f"{PREFIX}TOPIC_PREFIX": settings.topic_prefix,
    }

    def run(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "streams", "schemas", *words]
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        return answer.returncode, answer.stdout

    code, text = run("check")
    assert (code, text.count(": new, ")) == (0, 3)
    code, text = run("register", "--json")
    assert code == 0
    assert {row["state"] for row in json.loads(text)} == {"registered"}
    client.delete_subject(subject(settings, EVENTS))
    put(client, settings, EVENTS, with_a_field)
    code, text = run("check")
    assert code == 1
    assert f"{subject(settings, EVENTS)}: breaks, version" in text


def test_no_registry_a_dead_one_and_a_wrong_path_are_told_apart(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SCHEMA_REGISTRY_URL is not set"):
        check_schemas(load_settings())
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1 can't be reached \(ConnectError\)"):
        check_schemas(load_settings(schema_registry_url="http://127.0.0.1:9"))
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1 refuses \(404"):
        check_schemas(load_settings(schema_registry_url=url.removesuffix("/apis/ccompat/v7")))


WITHOUT_THE_EXTRA = """
import sys
sys.modules["httpx"] = None
from streams.__main__ import main
main()
"""


@pytest.mark.parametrize("command", ["check", "register"])
def test_without_the_extra_the_commands_say_what_to_install(command: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA, "schemas", command],
        env={**os.environ, f"{PREFIX}SCHEMA_REGISTRY_URL": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert "checkout-recovery[schema-registry]" in answer.stderr


def test_a_user_without_a_password_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="go together"):
        load_settings(schema_registry_username="crm")


def test_an_address_with_a_password_in_it_is_refused_unseen() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(schema_registry_url="https://me:secret@registry.example")
    assert "secret" not in str(caught.value)


@contextmanager
def asking_for_a_password(user: str, password: str) -> Iterator[str]:
    """A registry without schemas that wants to know who asks; Apicurio's does not."""
    wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers["authorization"] == wanted
            code = 40401 if is_known else 40101
            body = json.dumps({"error_code": code, "message": "no"}).encode()
            self.send_response(code // 100)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_user_and_password_are_sent_and_a_refusal_does_not_repeat_them() -> None:
    with asking_for_a_password("crm", "a:b") as address:

        def check(password: str) -> list[SubjectState]:
            return check_schemas(
                load_settings(
                    schema_registry_url=address,
                    schema_registry_username="crm",
                    schema_registry_password=password,
                )
            )

        assert states(check("a:b")) == [State.NEW] * 3
        with pytest.raises(RegistryError, match=r"refuses \(401, code 40101\)") as caught:
            check("secret")
        assert "secret" not in str(caught.value)
