"""The wheel of the contracts, alone in a fresh environment, on the oldest and the newest Python."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from schemas.golden import golden_records
from tests.support.wheels import (
    CONTRACTS,
    ROOT,
    build_contracts,
    copy_consumer,
    environment_with,
    pythons,
)

if TYPE_CHECKING:
    from pathlib import Path

INSTALLED = """
import importlib.metadata, json
names = [found.metadata["Name"] for found in importlib.metadata.distributions()]
print(json.dumps([name.lower().replace("_", "-") for name in names]))
"""
#: What pydantic itself needs.
PYDANTIC = {
    *("pydantic", "pydantic-core"),
    *("annotated-types", "typing-extensions", "typing-inspection"),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_contracts(tmp_path_factory.mktemp("wheel"))


def example() -> str:
    (snippet,) = re.findall(
        r"```python\n(.*?)```", (CONTRACTS / "README.md").read_text(), re.DOTALL
    )
    return str(snippet)


def lowest_pydantic(version: str) -> str:
    """The lowest that the wheel takes on this Python."""
    project = tomllib.loads((CONTRACTS / "pyproject.toml").read_text("utf-8"))["project"]
    (found,) = [
        requirement
        for requirement in map(Requirement, project["dependencies"])
        if requirement.marker is None or requirement.marker.evaluate({"python_version": version})
    ]
    (specifier,) = found.specifier
    assert specifier.operator == ">="
    return specifier.version


@pytest.mark.parametrize("is_lowest", [True, False], ids=["lowest", "highest"])
@pytest.mark.parametrize("which", [0, -1], ids=["oldest", "newest"])
def test_with_the_wheel_alone_the_example_of_its_page_reads_the_golden_records(
    wheel: Path, tmp_path: Path, which: int, *, is_lowest: bool
) -> None:
    version, path = pythons()[which]
    wanted = [f"pydantic=={lowest_pydantic(version)}"] if is_lowest else []
    python = environment_with(tmp_path / "venv", [str(wheel), *wanted], python=path)
    found = subprocess.run(
        [python, "-I", "-W", "error", "-c", example()], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert len(lines) == len(golden_records())
    assert lines[0].startswith("checkout.abandoned ")
    asked = subprocess.run([python, "-I", "-c", INSTALLED], capture_output=True, check=True)
    assert set(json.loads(asked.stdout)) <= PYDANTIC | {"checkout-recovery-schemas"}


def play(python: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The team's tests, which hand every story to its campaign."""
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_campaign.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_crm_team_plays_every_story_in_its_own_tests_without_kafka(
    wheel: Path, tmp_path: Path
) -> None:
    python = environment_with(tmp_path / "venv", [str(wheel), "pytest"], python=pythons()[0][1])
    folder = copy_consumer("python", tmp_path)
    answer = play(python, folder)
    assert answer.returncode == 0, answer.stdout
    stories = len(list((CONTRACTS / "scenarios").glob("*.json")))
    assert f"{stories + 1} passed" in answer.stdout


def test_the_stories_notice_a_campaign_without_a_memory(wheel: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "venv", [str(wheel), "pytest"])
    folder = copy_consumer("python", tmp_path)
    campaign = folder / "campaign.py"
    remembered = 'WHERE id = ?", (checkout,)'
    assert remembered in campaign.read_text()
    campaign.write_text(campaign.read_text().replace(remembered, "WHERE id = ?\", ('',)"))
    answer = play(python, folder)
    assert answer.returncode == 1
    assert "test_the_campaign_does_what_the_story_asks[anonymize]" in answer.stdout


def test_the_wheel_is_typed_and_holds_every_contract_and_no_test(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.removeprefix("checkout_recovery_schemas/") for name in archive.namelist()}
        table = archive.read("checkout_recovery_schemas/topics.yaml")
    assert table == (ROOT / "deploy" / "topics.yaml").read_bytes()
    wanted = {"py.typed", "asyncapi.json", "topics.yaml"}
    for pattern in (
        "*.py",
        "json/*.json",
        "json/*/*.json",
        "examples/*/*.json",
        "scenarios/*.json",
    ):
        wanted |= {file.relative_to(CONTRACTS).as_posix() for file in CONTRACTS.glob(pattern)}
    assert {name for name in names if ".dist-info/" not in name} == wanted


def test_product_and_contracts_have_one_version() -> None:
    versions = {
        tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["version"]
        for folder in (ROOT, CONTRACTS)
    }
    assert len(versions) == 1
