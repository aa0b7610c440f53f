"""Reads the files of ``deploy/`` and ``docker-compose.yml``: which commands run, and with what."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
KUBERNETES = sorted(
    file for file in (ROOT / "deploy/kubernetes").glob("*.yaml") if file.stem != "kustomization"
)


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile, its continuations joined."""

    name: str
    text: str

    def array(self) -> list[str]:
        """The JSON array of an exec form."""
        value = json.loads(self.text[self.text.index("[") :])
        assert isinstance(value, list)
        return value


@dataclass(frozen=True)
class Command:
    """What a container runs after the image's entry point, and the environment that it gets."""

    where: str
    arguments: list[str]
    environment: dict[str, str]


def dockerfile() -> list[list[Instruction]]:
    """The stages of the Dockerfile."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text("utf-8"))
    stages: list[list[Instruction]] = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            if name == "FROM":
                stages.append([])
            stages[-1].append(Instruction(name, rest))
    return stages


def image_environment() -> dict[str, str]:
    """What the image sets."""
    [text] = [line.text for line in dockerfile()[-1] if line.name == "ENV"]
    return dict(pair.split("=", 1) for pair in text.split())


def compose() -> dict[str, Any]:
    """The Compose file, its anchors and merges resolved."""
    value = yaml.safe_load(COMPOSE.read_text("utf-8"))
    assert isinstance(value, dict)
    return value


def kubernetes() -> list[dict[str, Any]]:
    """Every object of the Kubernetes example."""
    return [value for file in KUBERNETES for value in yaml.safe_load_all(file.read_text("utf-8"))]


def commands() -> list[Command]:
    """Every command that a container of ours runs."""
    found = [
        Command(f"docker-compose.yml {name}", service["command"], dict(service["environment"]))
        for name, service in compose()["services"].items()
        if service["image"] == "checkout-recovery"
    ]
    shared = next(item["data"] for item in kubernetes() if item["kind"] == "ConfigMap")
    for item in kubernetes():
        template = item.get("spec", {}).get("template")
        pod = template["spec"] if template else {"containers": []}
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            given = {
                entry["name"]: str(entry.get("value", "0")) for entry in container.get("env", [])
            }
            found.append(
                Command(f"{item['kind']} {container['name']}", container["args"], shared | given)
            )
    return found
