"""Many runs of the breaker for one commit; goes on where it was stopped.

Results are kept a line each in docs/reliability/runs/COMMIT.jsonl, where COMMIT is the last one
that changed what runs. Runs that are there already are not done again, unless they were not right.

Examples:
  make chaos-long                     20 seeds of 2 minutes on one broker, 6 of 3 minutes on three
  make chaos-long ARGS="--jobs 2"     two at a time
  make chaos-long ARGS="--table"      only print the table of what is there
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT: Final = Path(__file__).parents[2]
_RUNS: Final = _ROOT / "docs" / "reliability" / "runs"
#: What decides how a run ends; the breaker runs no read side.
_WHAT_RUNS: Final = (
    *("streams", ":(exclude)streams/api", ":(exclude)streams/adapters/database"),
    *("schemas", "deploy", "tests/chaos", "uv.lock"),
)
_JUDGED: Final = ("lost", "repeated", "wrong", "hung")


@dataclass(frozen=True, slots=True)
class Task:
    """One run to do."""

    seed: int
    minutes: float
    brokers: int

    def is_done_by(self, result: dict[str, Any]) -> bool:
        """Whether this result is of this run, and right."""
        same = (self.seed, self.minutes, self.brokers) == (
            result["seed"],
            result["minutes"],
            result["brokers"],
        )
        return same and not any(result[name] for name in _JUDGED)


PLAN: Final = (
    *(Task(seed, 2.0, 1) for seed in range(1, 21)),
    *(Task(seed, 3.0, 3) for seed in range(1, 7)),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every run of the plan is there, and right."""
    parser = argparse.ArgumentParser(
        "python -m tests.chaos.long",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--table", action="store_true", help="run nothing")
    given = parser.parse_args(arguments)
    file = _RUNS / f"{commit()}.jsonl"
    waiting = [task for task in PLAN if not any(map(task.is_done_by, results(file)))]
    if not given.table:
        with ThreadPoolExecutor(given.jobs) as pool:
            for number, line in enumerate(pool.map(_run, waiting), start=1):
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("a", encoding="utf-8") as lines:
                    lines.write(line)
                sys.stderr.write(f"{number} of {len(waiting)}: {_short(json.loads(line))}\n")
    found = results(file)
    for row in rows(found):
        sys.stdout.write(row + "\n")
    return 0 if all(any(map(task.is_done_by, found)) for task in PLAN) else 1


def commit() -> str:
    """The last commit that changed what runs.

    Raises:
        SystemExit: something of it is not committed, so a result would say nothing.
    """
    changed = _git("status", "--porcelain", "--", *_WHAT_RUNS)
    if changed:
        raise SystemExit(f"commit these first, results are kept by commit:\n{changed}")
    return _git("log", "-1", "--format=%h", "--abbrev=10", "--", *_WHAT_RUNS)


def results(file: Path) -> list[dict[str, Any]]:
    """What is there already."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def rows(found: list[dict[str, Any]]) -> list[str]:
    """A table in Markdown."""
    lines = [
        (
            "| brokers | seed | minutes | faults | webhooks | exits of workers | caught up "
            "| lost | repeated | wrong | hung |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    exits: Counter[str] = Counter()
    for run in sorted(found, key=lambda run: (run["brokers"], run["seed"])):
        exits.update(run["exits"])
        ended = ", ".join(f"{name} {count}" for name, count in sorted(run["exits"].items()))
        lines.append(
            f"| {run['brokers']} | {run['seed']} | {run['minutes']:g} | "
            f"{sum(run['struck'].values())} | {run['counts'].get('webhooks answered 200', 0)} | "
            f"{ended or 'none'} | {run['caught_up_seconds']} s | "
            + " | ".join(str(run[name]) for name in _JUDGED)
            + " |"
        )
    totals = " | ".join(str(sum(run[name] for run in found)) for name in _JUDGED)
    webhooks = sum(run["counts"].get("webhooks answered 200", 0) for run in found)
    faults = sum(sum(run["struck"].values()) for run in found)
    lines.append(
        f"| **all** | {len(found)} runs | {sum(run['minutes'] for run in found):g} | {faults} | "
        f"{webhooks} | {sum(exits.values())} | | {totals} |"
    )
    return lines


def _run(task: Task) -> str:
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "tests.chaos", "--json"),
            *("--seed", str(task.seed), "--minutes", str(task.minutes)),
            *("--brokers", str(task.brokers)),
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if not answer.stdout:
        raise SystemExit(f"the run of {task} did not end:\n{answer.stderr[-4000:]}")
    return answer.stdout.splitlines()[-1] + "\n"


def _short(run: dict[str, Any]) -> str:
    judged = ", ".join(f"{name} {run[name]}" for name in _JUDGED)
    return f"seed {run['seed']}, brokers: {run['brokers']}: {judged} {run['differences'][:3] or ''}"


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments],  # noqa: S607  # from the PATH
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
