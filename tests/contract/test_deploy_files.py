"""The files that operators start from: valid by the rules of their own tools, and true of us."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from streams.config import PREFIX, Settings
from tests.support import deployments
from tests.support.deployments import COMPOSE, DOCKERFILE, KUBERNETES, ROOT, Command

TOOLS = Path(sys.executable).parent


def run(tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOLS / tool), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    answer = run("hadolint", "--no-color", DOCKERFILE)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_linter_does_find_a_bad_line(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text(DOCKERFILE.read_text("utf-8").replace("uv==0.13.9", "uv"), "utf-8")
    assert "DL3013" in run("hadolint", "--no-color", bad).stdout


def test_the_compose_file_follows_the_compose_specification() -> None:
    answer = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_specification_does_refuse_a_misspelt_key(tmp_path: Path) -> None:
    bad = tmp_path / "docker-compose.yml"
    bad.write_text(COMPOSE.read_text("utf-8").replace("depends_on:", "depend_on:"), "utf-8")
    answer = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", bad)
    assert answer.returncode == 1
    assert "depend_on" in answer.stdout


@pytest.mark.parametrize("version", ["1.30", "1.34", "1.37"])
@pytest.mark.parametrize("file", KUBERNETES, ids=lambda file: file.name)
def test_every_kubernetes_object_is_valid(file: Path, version: str) -> None:
    answer = run("kubernetes-validate", "-k", version, "--strict", file)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_kustomize_names_every_file_of_its_folder() -> None:
    folder = ROOT / "deploy/kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert sorted(listed) == [file.name for file in KUBERNETES]


@pytest.mark.parametrize("command", deployments.commands(), ids=lambda command: command.where)
def test_every_variable_is_a_setting_that_exists(command: Command) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {**deployments.image_environment(), **command.environment}
    assert {name for name in given if name.startswith(PREFIX)} <= known
    assert {name for name in command.environment if not name.startswith(PREFIX)} == set()


def test_the_image_has_the_python_and_the_uv_of_the_project() -> None:
    text = DOCKERFILE.read_text("utf-8")
    [version] = re.findall(
        r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    assert f"uv=={version}" in text
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.11-slim"}


def test_the_image_does_not_run_as_root() -> None:
    [user] = [line.text for line in deployments.dockerfile()[-1] if line.name == "USER"]
    uid = user.split(":")[0]
    assert int(uid) > 0
    for item in deployments.kubernetes():
        template = item.get("spec", {}).get("template")
        if template:
            assert template["spec"]["securityContext"]["runAsUser"] == int(uid)


def test_the_context_of_the_image_holds_what_it_copies_and_no_more() -> None:
    ignore = (ROOT / "deploy/Dockerfile.dockerignore").read_text("utf-8").splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        source
        for line in deployments.dockerfile()[0]
        if line.name == "COPY"
        for source in line.text.split()[:-1]
    }
    assert copied == allowed
    assert "*" in ignore
    assert all((ROOT / source).exists() for source in copied)


def test_compose_runs_the_broker_of_the_tests() -> None:
    image = deployments.compose()["services"]["kafka"]["image"]
    lock = (ROOT / "streams/demo/kafka/jars.lock.json").read_text("utf-8")
    versions = set(re.findall(r"kafka_2\.13[^0-9]+(\d+\.\d+\.\d+)", lock))
    assert versions == {image.removeprefix("apache/kafka:")}, json.loads(lock).keys()


def test_the_worker_of_a_stateful_set_gets_its_ordinal_as_its_slot() -> None:
    [worker] = [item for item in deployments.kubernetes() if item["kind"] == "StatefulSet"]
    [container] = worker["spec"]["template"]["spec"]["containers"]
    [slot] = [entry for entry in container["env"] if entry["name"] == f"{PREFIX}WORKER_SLOT"]
    path = slot["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.labels['apps.kubernetes.io/pod-index']"


def test_compose_workers_have_no_slot_so_that_they_can_be_scaled() -> None:
    assert f"{PREFIX}WORKER_SLOT" not in deployments.compose()["services"]["worker"]["environment"]


def test_every_process_has_longer_to_stop_than_it_promises() -> None:
    for name in ("ingress", "worker", "api"):
        grace = deployments.compose()["services"][name]["stop_grace_period"]
        assert int(grace.removesuffix("s")) > 10
    for item in deployments.kubernetes():
        if item["kind"] in {"Deployment", "StatefulSet"}:
            pod = item["spec"]["template"]["spec"]
            assert pod["terminationGracePeriodSeconds"] > 15
