"""Writes the results of a benchmark: JSON for machines, a table and a plot for people."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.harness.machine import describe
from tests.bench.harness.plot import bars, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.harness.runs import Result

FOLDER: Final = Path(__file__).parents[3] / "docs" / "performance"


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's report.

    Attributes:
        name: of its files.
        title: of its document.
        unit: of a run's ``value``.
        each: what the CPU time is for: one event, one request.
        less_is_better: whether a small value is a good one.
        about: what was done, in a few lines.
        more: further figures of a run, and their headings.
    """

    name: str
    title: str
    unit: str
    each: str
    about: Sequence[str]
    less_is_better: bool = False
    more: dict[str, str] = field(default_factory=dict)

    def write(self, results: Sequence[Result], folder: Path = FOLDER) -> Path:
        """Write ``NAME.json``, ``NAME.md`` and ``NAME.svg``; the path of the document."""
        folder.mkdir(parents=True, exist_ok=True)
        machine = describe()
        now = datetime.now(UTC).isoformat(timespec="minutes")
        content = {
            "at": now,
            "title": self.title,
            "unit": self.unit,
            "machine": machine.to_json(),
            "load_average": os.getloadavg(),
            "results": [asdict(result) for result in results],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / f"{self.name}.json").write_text(text + "\n", "utf-8")
        (folder / f"{self.name}.svg").write_text(bars(self.title, self.unit, results), "utf-8")
        document = folder / f"{self.name}.md"
        lines = [
            f"# {self.title}",
            *self.about,
            "",
            *self.table(results),
            "",
            f"![{self.title}]({self.name}.svg)",
            "",
            f"{now}. " + ". ".join(machine.lines()) + ".",
        ]
        document.write_text("\n".join(lines) + "\n", "utf-8")
        return document

    def table(self, results: Sequence[Result]) -> list[str]:
        """The Markdown table; the first result with a figure is what the others are compared to."""
        shown = [result for result in results if result.runs]
        first = shown[0].median if shown else 1.0
        heads = [
            *(
                "contender",
                f"{self.unit}: min / median / max",
                f"{shown[0].name} is" if shown else "",
            ),
            *(
                f"CPU µs/{self.each}",
                "memory MB",
                *self.more.values(),
                "runs",
                "others on the machine",
            ),
        ]
        lines = [_row(heads), _row(["---"] * len(heads))]
        for result in shown:
            ratio = result.median / first if self.less_is_better else first / result.median
            lines.append(
                _row(
                    [
                        f"**{result.name}**<br>{result.note}"
                        if result.note
                        else f"**{result.name}**",
                        (
                            f"{figure(result.low)} / **{figure(result.median)}** / "
                            f"{figure(result.high)}"
                        ),
                        "-" if result is shown[0] else f"{ratio:.2f} x",
                        f"{result.cpu_microseconds:.1f}" if result.cpu_microseconds else "-",
                        f"{result.resident_megabytes:.0f}" if result.resident_megabytes else "-",
                        *(figure(result.more(name)) for name in self.more),
                        str(len(result.runs)),
                        f"{max(run.others for run in result.runs):.0%}"
                        + (" **loaded**" if result.is_loaded else ""),
                    ]
                )
            )
        refused = [result for result in results if result.refused]
        if refused:
            lines += ["", "No figure, for the check was not passed:"]
            lines += [f"- {result.name}: {result.refused}" for result in refused]
        return lines


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
