"""Breaks an installation of real processes by a seeded schedule, and judges what is left.

Examples:
  make chaos                                   one run of a random seed, 2 minutes, one broker
  make chaos SEED=7 MINUTES=3 BROKERS=3        that run, again
  make chaos SEED=1-5 MINUTES=1                five runs
  make chaos SEED=1 ARGS="--runtime stock"     the same agents on Faust as it comes
  make chaos SEED=1 ARGS="--plan"              only say what would be done
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.judge import table
from tests.chaos.run import Options, Outcome, run
from tests.chaos.schedule import Fault, plan

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every run was right; 1: one was not."""
    given = _parser().parse_args(arguments)
    tell = _to_stderr if given.json else _to_stdout
    is_right = True
    for seed in given.seed or [random.randrange(1, 1_000_000)]:
        options = Options(
            seed=seed,
            minutes=given.minutes,
            brokers=given.brokers,
            workers=given.workers,
            rate=given.rate,
            runtime=given.runtime,
            only=frozenset(Fault[name] for name in given.only),
        )
        if given.plan:
            for step in plan(seed, seconds=60 * options.minutes, brokers=options.brokers):
                tell(f"{step.at:6.1f} s  {step.fault.value} {step.point} {step.seconds or ''}")
            continue
        keep = Path(tempfile.mkdtemp(prefix=f"chaos-seed-{seed}-"))
        tell(f"seed {seed}, {options.minutes:g} min, brokers: {options.brokers}")
        outcome = run(options, tell, keep=keep)
        if outcome.verdict.is_right:
            keep.rmdir()
        _report(outcome, keep, tell)
        if given.json:
            sys.stdout.write(json.dumps(outcome.as_json()) + "\n")
            sys.stdout.flush()
        is_right = is_right and outcome.verdict.is_right
    return 0 if is_right else 1


def _report(outcome: Outcome, keep: Path, tell: object) -> None:
    assert callable(tell)
    verdict = outcome.verdict
    table(
        [
            ("faults that struck", sum(outcome.struck.values())),
            *verdict.counts.items(),
            ("answers", ", ".join(f"{k} {v}" for k, v in sorted(outcome.answers.items()))),
            ("worker exits", ", ".join(f"{k} {v}" for k, v in sorted(verdict.exits.items()))),
            ("caught up after", f"{verdict.caught_up_seconds:.1f} s"),
            ("lost", verdict.lost),
            ("repeated", verdict.repeated),
            ("wrong", verdict.wrong),
            ("hung", verdict.hung),
        ],
        tell=tell,
    )
    if not verdict.is_right:
        for text in verdict.differences[:10]:
            tell(f"  - {text}")
        tell(f"  logs: {keep}")
        tell(f"  again: {outcome.options.command}")
    tell("right" if verdict.is_right else "NOT RIGHT")


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += (
            [random.randrange(1, 1_000_000)]
            if part == "random"
            else range(int(first), int(last or first) + 1)
        )
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seed", type=_seeds, help="a number, a range, or several: 1-5,9,random (default: random)"
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="of faults; default 2")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=40.0, help="checkouts left a second")
    parser.add_argument("--runtime", choices=("ours", "stock"), default="ours")
    parser.add_argument(
        "--only", nargs="*", default=[], choices=[fault.name for fault in Fault], metavar="FAULT"
    )
    parser.add_argument("--plan", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each run")
    return parser


def _to_stdout(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _to_stderr(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
