"""Fixtures for a subscriber's own tests; pytest finds them once the package is installed."""

from __future__ import annotations

import pytest

from .consumer import Record
from .golden import golden_records
from .scenarios import Scenario, scenarios


@pytest.fixture(name="golden_records", scope="session")
def _golden_records() -> dict[str, Record]:
    """Every committed record of the events topic, by name."""
    return golden_records()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument ``checkout_scenario`` runs once for each scenario."""
    if "checkout_scenario" in metafunc.fixturenames:
        stories: dict[str, Scenario] = scenarios()
        metafunc.parametrize("checkout_scenario", list(stories.values()), ids=list(stories))
