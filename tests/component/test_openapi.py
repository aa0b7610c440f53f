"""Requests made of the OpenAPI document: no answer is a fault of ours or outside the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.topics import SOURCE
from streams.api.metrics import ApiMetrics
from streams.api.model import Model, Place
from tests.support.api_process import TOKEN, Asked
from tests.support.builders import CHECKOUT
from tests.support.databases import sqlite_database
from tests.support.records import story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import BaseSchema

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    url = sqlite_database(tmp_path_factory.mktemp("openapi"))
    engine = writing_engine(url)
    migrate(engine)
    model = Model(engine, ApiMetrics())
    model.begin([Place(SOURCE, 0)])
    model.apply(story(CHECKOUT))
    asked = Asked(url, api_requests_per_minute=1_000_000)
    yield schemathesis.openapi.from_asgi("/openapi.json", asked.app)
    asked.close()
    engine.dispose()


def test_answers_stay_within_the_document(document: BaseSchema) -> None:
    tried = 0
    # a stream does not end: see test_live
    for found in document.exclude(path="/v1/live").get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # an error of the document is one here
        tried += 1

        @settings(
            max_examples=25,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def try_it(case: Any) -> None:
            case.call_and_validate(headers={"authorization": TOKEN}, checks=CHECKS)

        try_it()
    assert tried > 10
