"""Every command in the deployment files, run as a local process on a real broker.

There is no container here: the image's own build steps fill a virtual environment, and the image's
entry point runs from it, with the environment of the image and of the service.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.adapters.topics import check_topics
from streams.config import PREFIX, Settings
from streams.demo.kafka.broker import free_port
from tests.support import deployments
from tests.support.deployments import ROOT, Command
from tests.support.services import status, wait_until
from tests.support.signing import public_pem
from tests.support.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.databases import PostgreSQL

pytestmark = pytest.mark.kafka

IMAGE_PREFIX = "/opt/checkout-recovery"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual environment that the first stage of the Dockerfile builds."""
    context = tmp_path_factory.mktemp("image")
    source, target = context / "src", context / "environment"
    source.mkdir()
    env = {
        **os.environ,
        "UV_PROJECT_ENVIRONMENT": str(target),
        "UV_PYTHON": sys.executable,
        "VIRTUAL_ENV": "",
    }
    for line in deployments.dockerfile()[0]:
        if line.name == "COPY":
            *names, destination = line.text.split()
            for name in names:
                copy(
                    ROOT / name, source / (Path(name).name if destination == "./" else destination)
                )
        elif line.name == "RUN" and line.text.startswith("uv "):
            answer = run_uv(shlex.split(line.text)[1:], cwd=source, env=env)
            assert answer.returncode == 0, answer.stderr
    shutil.rmtree(source)
    return target


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, symlinks=True, ignore=ignore)
    else:
        shutil.copy2(source, target)


def entry_point(image: Path) -> str:
    [line] = [line for line in deployments.dockerfile()[-1] if line.name == "ENTRYPOINT"]
    [name] = line.array()
    return str(image / "bin" / name)


def environment(image: Path, settings: Settings, **service: str) -> dict[str, str]:
    """The image's environment and the service's; then addresses that are free here."""
    given = {
        name: value.replace(IMAGE_PREFIX, str(image)).replace("$PATH", os.environ["PATH"])
        for name, value in deployments.image_environment().items()
    }
    ours = {
        "BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "TOPIC_PREFIX": settings.topic_prefix,
        "SECURITY_PROTOCOL": "PLAINTEXT",
        "INGRESS_HOST": "127.0.0.1",
        "INGRESS_PORT": str(free_port()),
        "API_HOST": "127.0.0.1",
        "API_PORT": str(free_port()),
        "METRICS_HOST": "127.0.0.1",
        "METRICS_PORT": str(free_port()),
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
        **given,
        **service,
        **{PREFIX + name: value for name, value in ours.items()},
    }


@contextmanager
def service(
    image: Path, settings: Settings, command: Command, folder: Path, **more: str
) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str], Path]]:
    env = environment(image, settings, **command.environment, **more)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [entry_point(image), *command.arguments], env=env, cwd=folder, stderr=output
        )
    try:
        yield process, env, log
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def of(process: str) -> list[Command]:
    return [command for command in deployments.commands() if command.arguments[0] == process]


def apply_as_compose_does(image: Path, settings: Settings) -> str:
    [command] = [command for command in of("topics") if command.where.startswith("docker-compose")]
    answer = subprocess.run(
        [entry_point(image), *command.arguments],
        env=environment(image, settings, **command.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def is_healthy(env: dict[str, str]) -> bool:
    """The health check of the image, with the interpreter of the image."""
    [line] = [line for line in deployments.dockerfile()[-1] if line.name == "HEALTHCHECK"]
    python, *arguments = line.array()
    executable = shutil.which(python, path=env["PATH"])
    assert executable is not None
    answer = subprocess.run(
        [executable, *arguments], env=env, capture_output=True, timeout=20, check=False
    )
    return answer.returncode == 0


def test_every_command_of_a_container_is_one_of_ours() -> None:
    assert {tuple(command.arguments) for command in deployments.commands()} == {
        ("topics", "apply", "--development"),
        ("topics", "apply"),
        ("ingress",),
        ("worker",),
        ("api", "--migrate"),
        ("api",),
    }


def test_the_image_has_no_development_tools_and_every_command_explains_itself(image: Path) -> None:
    assert not (image / "bin/pytest").exists()
    for command in deployments.commands():
        answer = subprocess.run(
            [entry_point(image), *command.arguments, "--help"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr


def test_the_topics_job_of_compose_makes_the_topics(image: Path, kafka_settings: Settings) -> None:
    printed = apply_as_compose_does(image, kafka_settings)
    assert kafka_settings.topic("wix.abandoned-checkouts.v1") in printed
    assert check_topics(kafka_settings, is_development=True) == []


def test_the_topics_job_of_kubernetes_refuses_a_cluster_that_is_too_small(
    image: Path, kafka_settings: Settings
) -> None:
    [command] = [command for command in of("topics") if command.where.startswith("Job")]
    answer = subprocess.run(
        [entry_point(image), *command.arguments],
        env=environment(image, kafka_settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 2
    assert "--development" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("command", of("ingress"), ids=lambda command: command.where)
def test_the_ingress_becomes_ready_is_healthy_and_drains(
    image: Path, kafka_settings: Settings, tmp_path: Path, command: Command
) -> None:
    apply_as_compose_does(image, kafka_settings)
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "app.pem").write_text(public_pem(), "utf-8")
    mounted = {f"{PREFIX}WIX_PUBLIC_KEYS": str(keys)}
    assert command.environment[f"{PREFIX}WIX_PUBLIC_KEYS"] == "/keys"
    placed = Command(command.where, command.arguments, {**command.environment, **mounted})
    with service(image, kafka_settings, placed, tmp_path) as (process, env, log):
        url = f"http://127.0.0.1:{env[f'{PREFIX}METRICS_PORT']}"
        wait_until(lambda: status(f"{url}/readyz") == 200, 30, lambda: log.read_text("utf-8"))
        webhooks = f"http://127.0.0.1:{env[f'{PREFIX}INGRESS_PORT']}/webhooks/wix"
        assert status(webhooks) == 405
        assert is_healthy(env)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, log.read_text("utf-8")
        assert not is_healthy(env)


@pytest.mark.parametrize("command", of("worker"), ids=lambda command: command.where)
def test_the_worker_becomes_ready_is_healthy_and_stops(
    image: Path, kafka_settings: Settings, tmp_path: Path, command: Command
) -> None:
    apply_as_compose_does(image, kafka_settings)
    with service(image, kafka_settings, command, tmp_path) as (process, env, log):
        url = f"http://127.0.0.1:{env[f'{PREFIX}METRICS_PORT']}"
        wait_until(lambda: status(f"{url}/readyz") == 200, 60, lambda: log.read_text("utf-8"))
        assert is_healthy(env)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, log.read_text("utf-8")
        assert not is_healthy(env)


@pytest.mark.parametrize("where", ["docker-compose.yml", "Deployment"])
def test_the_api_migrates_becomes_ready_is_healthy_and_stops(
    image: Path, kafka_settings: Settings, postgres: PostgreSQL, tmp_path: Path, where: str
) -> None:
    apply_as_compose_does(image, kafka_settings)
    tokens = tmp_path / "tokens.json"
    tokens.write_text('{"tokens": []}', "utf-8")
    placed = {
        f"{PREFIX}DATABASE_URL": postgres.new_database(),
        f"{PREFIX}API_TOKENS_FILE": str(tokens),
    }
    migration, serving = (
        Command(command.where, command.arguments, {**command.environment, **placed})
        for command in sorted(of("api"), key=lambda command: -len(command.arguments))
        if command.where.startswith(where)
    )
    with service(image, kafka_settings, migration, tmp_path) as (process, _, log):
        assert process.wait(60) == 0, log.read_text("utf-8")
    with service(image, kafka_settings, serving, tmp_path) as (process, env, log):
        url = f"http://127.0.0.1:{env[f'{PREFIX}METRICS_PORT']}"
        wait_until(lambda: status(f"{url}/readyz") == 200, 60, lambda: log.read_text("utf-8"))
        port = env[f"{PREFIX}API_PORT"]
        assert status(f"http://127.0.0.1:{port}/v1/conversion") == 401
        assert status(f"http://127.0.0.1:{port}/") == 200  # the page comes with the wheel
        assert is_healthy(env)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, log.read_text("utf-8")


def test_ports_that_kubernetes_probes_are_those_that_the_image_exposes() -> None:
    [exposed] = [line.text for line in deployments.dockerfile()[-1] if line.name == "EXPOSE"]
    image_env = deployments.image_environment()
    ports = {image_env[f"{PREFIX}{name}_PORT"] for name in ("INGRESS", "API", "METRICS")}
    assert set(exposed.split()) == ports
    for file in deployments.KUBERNETES:
        assert set(re.findall(r"containerPort: (\d+)", file.read_text("utf-8"))) <= ports
