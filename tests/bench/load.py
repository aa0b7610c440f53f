"""The load: distinct signed webhooks, posted by vegeta (https://github.com/tsenart/vegeta).

It is found on the PATH, or built with Go once and kept.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.bench.harness.processes import cpu_seconds
from tests.support.builders import T0, entity, text, wix_event
from tests.support.signing import token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_VEGETA: Final = "github.com/tsenart/vegeta/v12@v12.13.0"
_CACHE: Final = Path.home() / ".cache" / "checkout-recovery" / "bin"
_NANOSECONDS: Final = 1e6
WIX_WAITS_MS: Final = 1250


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run of the load showed; times in milliseconds."""

    name: str
    asked_per_second: float
    answered_200_per_second: float
    p50: float
    p99: float
    worst: float
    #: Answers that came after 1250 ms, which is how long Wix waits.
    late: int
    answers: dict[str, int]
    ingress_cpu_microseconds: float


@dataclass(frozen=True, slots=True)
class Attack:
    """The load generator with its targets."""

    vegeta: Path
    targets: Path
    ingress_pid: int

    def run(
        self,
        name: str,
        seconds: float,
        *,
        rate: int = 0,
        workers: int = 2000,
        lasting: bool = False,
    ) -> Figures:
        """One run: at a rate, or as fast as that many workers get answers.

        ``lasting``: targets are read as they are sent, so that there may be any number of them.
        An answer is waited for for ten seconds; whose certificate it has is not looked at.
        """
        cpu = cpu_seconds(self.ingress_pid)
        attack = subprocess.run(
            [
                *(self.vegeta, "attack", "-format=json", f"-targets={self.targets}"),
                *(f"-duration={seconds}s", f"-rate={rate}", f"-max-workers={workers}"),
                *("-timeout=10s", f"-connections={workers}", "-workers=64", "-insecure"),
                *(["-lazy"] if lasting else []),
            ],
            stdout=subprocess.PIPE,
            check=True,
        )
        cpu = cpu_seconds(self.ingress_pid) - cpu
        report = json.loads(
            subprocess.run(
                [self.vegeta, "report", "-type=json", f"-buckets=[0,{WIX_WAITS_MS}ms]"],
                input=attack.stdout,
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
        )
        times = report["latencies"]
        return Figures(
            name=name,
            asked_per_second=report["rate"],
            answered_200_per_second=report["status_codes"].get("200", 0)
            / ((report["duration"] + report["wait"]) / 1e9),
            p50=times["50th"] / _NANOSECONDS,
            p99=times["99th"] / _NANOSECONDS,
            worst=times["max"] / _NANOSECONDS,
            late=report["buckets"][str(WIX_WAITS_MS * 1_000_000)],
            answers=report["status_codes"],
            ingress_cpu_microseconds=cpu / max(1, report["requests"]) * 1e6,
        )


def webhooks(count: int, *, when: datetime = T0, seed: str = "") -> Iterator[dict[str, Any]]:
    """Events of as many new checkouts, of 2.0 kB or so; their tokens have 3 kB."""
    for number in range(count):
        checkout = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed}{number}"))
        items = [{**entity()["lineItems"][0], "id": f"l-{n}"} for n in range(6 + number % 4)]
        yield wix_event(
            "created",
            entity(id=checkout, lineItems=items, createdDate=text(when), updatedDate=text(when)),
            event_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{seed}{number}")),
            when=when,
            sequence=str(number),
            checkout=checkout,
        )


def write_targets(
    file: Path, url: str, count: int, *, when: datetime = T0, seed: str = ""
) -> list[bytes]:
    """Distinct webhooks for the load generator to go round; the events as Kafka must have them."""
    events = []
    with file.open("w") as lines:
        for event in webhooks(count, when=when, seed=seed):
            body = base64.b64encode(token(event).encode()).decode()
            header = {"Content-Type": ["text/plain"]}
            json.dump({"method": "POST", "url": url, "header": header, "body": body}, lines)
            lines.write("\n")
            events.append(json.dumps(event, ensure_ascii=False).encode())
    return events


def find_vegeta() -> Path:
    """The load generator; built with Go if it is not there."""
    found = shutil.which("vegeta") or shutil.which("vegeta", path=str(_CACHE))
    if found:
        return Path(found)
    go = shutil.which("go")
    if go is None:
        raise SystemExit("neither vegeta nor Go is installed: install one of them")
    _CACHE.mkdir(parents=True, exist_ok=True)
    subprocess.run([go, "install", _VEGETA], env={**os.environ, "GOBIN": str(_CACHE)}, check=True)
    return _CACHE / "vegeta"
