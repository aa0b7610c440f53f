"""One run: an installation, traffic, faults by a seed, and the verdict."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.breaking import Breaker
from tests.chaos.installation import Installation
from tests.chaos.judge import Verdict, judge, wait_until_done
from tests.chaos.schedule import Fault, Step, plan
from tests.chaos.traffic import Traffic
from tests.support.services import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

_STOCK: Final = Path(__file__).with_name("stock_worker.py")
_READY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is like. ``only``: the kinds of fault to take, all if empty."""

    seed: int
    minutes: float = 2.0
    brokers: int = 1
    workers: int = 2
    rate: float = 40.0
    runtime: str = "ours"
    only: frozenset[Fault] = frozenset()

    @property
    def command(self) -> str:
        """How to do this run again."""
        given = f"make chaos SEED={self.seed} MINUTES={self.minutes:g} BROKERS={self.brokers}"
        return given if self.runtime == "ours" else f'{given} ARGS="--runtime {self.runtime}"'


@dataclass
class Outcome:
    """A run and its verdict."""

    options: Options
    verdict: Verdict
    struck: Counter[str] = field(default_factory=Counter)
    answers: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For scripts and for the record of a commit."""
        verdict = self.verdict
        return {
            "seed": self.options.seed,
            "minutes": self.options.minutes,
            "brokers": self.options.brokers,
            "runtime": self.options.runtime,
            "seconds": round(self.seconds),
            "struck": dict(self.struck),
            "answers": self.answers,
            "lost": verdict.lost,
            "repeated": verdict.repeated,
            "wrong": verdict.wrong,
            "hung": verdict.hung,
            "caught_up_seconds": round(verdict.caught_up_seconds, 1),
            "counts": verdict.counts,
            "exits": dict(verdict.exits),
            "differences": verdict.differences[:20],
        }


def run(options: Options, tell: Callable[[str], None], *, keep: Path | None = None) -> Outcome:
    """Do it. ``keep`` is where logs and data of a run that failed are copied."""
    started = time.monotonic()
    steps = plan(options.seed, seconds=60 * options.minutes, brokers=options.brokers)
    if options.only:
        steps = _only(steps, options.only)
    verdict = Verdict()
    outcome = Outcome(options, verdict)
    with Installation(
        brokers=options.brokers,
        workers=options.workers,
        stock_command=_STOCK if options.runtime == "stock" else None,
    ) as installation:
        traffic = Traffic(
            installation.ingress_url, installation.signer, seed=options.seed, rate=options.rate
        )
        for service in installation.workers:
            wait_until(service.is_ready, _READY_SECONDS, lambda: "a worker does not start")
        traffic.start()
        breaker = Breaker(installation, tell)
        breaker.run(steps)
        traffic.stop()
        tell("the faults are over; waiting until everything is processed")
        is_stock = options.runtime == "stock"
        wait_until_done(installation, verdict, is_stock=is_stock)
        for service in installation.workers:
            installation.end(service)
        tell("comparing with a recomputation from the log")
        judge(installation, traffic.accepted, verdict, is_stock=is_stock)
        outcome.struck = Counter(fault.value for fault in breaker.struck)
        outcome.answers = traffic.answers
        if keep is not None and not verdict.is_right:
            keep.mkdir(parents=True, exist_ok=True)
            for log in installation.directory.glob("*.log"):
                (keep / log.name).write_bytes(log.read_bytes())
            installation.cluster.keep(keep)
    outcome.seconds = time.monotonic() - started
    return outcome


def _only(steps: list[Step], wanted: frozenset[Fault]) -> list[Step]:
    """The same times, with the wanted kinds in turn."""
    kinds = sorted(wanted, key=lambda fault: fault.name)
    by_kind = {step.fault: step for step in steps}
    return [
        Step(
            step.at,
            kind := kinds[number % len(kinds)],
            step.target,
            by_kind[kind].seconds if kind in by_kind else step.seconds,
            by_kind[kind].point if kind in by_kind else step.point,
        )
        for number, step in enumerate(steps)
    ]
