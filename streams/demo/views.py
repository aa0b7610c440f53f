"""What a person sees of the demo: a live table, plain lines, or JSON."""

from __future__ import annotations

import json
import sys
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from streams.demo.audit.judge import AuditReport
    from streams.demo.figures import Figures
    from streams.demo.simulator.posting import Ledger
    from streams.demo.stack import Stack

_MOST_SITES: Final = 12
_PLAIN_EVERY_SECONDS: Final = 5.0
_HEADLINE: Final = "30d"


class LiveView(AbstractContextManager["LiveView"]):
    """A table that is drawn anew; lines above it stay."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=False)
        self._status = Text()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the last table standing."""
        self._live.stop()

    def tell(self, text: str) -> None:
        """A line that stays."""
        # an address that is broken into two lines can't be clicked
        self._console.print(f"• {text}", highlight=False, markup=False, soft_wrap=True)

    def downloading(self, done: int, total: int, name: str) -> None:
        """Progress of the first run."""
        self._live.update(Text(f"downloading Apache Kafka {done}/{total} {name}"))

    def show(self, figures: Figures, ledgers: list[Ledger], stack: Stack) -> None:
        """Draw the figures."""
        table = Table(title="Recovery by site, 30 days", title_justify="left")
        for name in ("site", "abandoned", "recovered", "so far", "matured", "likely"):
            table.add_column(name, justify="left" if name == "site" else "right")
        for row in _rows(figures):
            table.add_row(*row)
        self._live.update(Group(table, Text(_summary(figures, ledgers, stack))))


class PlainView(AbstractContextManager["PlainView"]):
    """A line now and then, as text or JSON, for logs."""

    def __init__(self, style: str) -> None:
        self._as_json = style == "json"
        self._next = 0.0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""

    def tell(self, text: str) -> None:
        """One line."""
        self._write({"event": text}, text)

    def downloading(self, done: int, total: int, name: str) -> None:
        """Progress of the first run."""
        self.tell(f"downloading Apache Kafka {done}/{total} {name}")

    def show(self, figures: Figures, ledgers: list[Ledger], stack: Stack) -> None:
        """A line every few seconds."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PLAIN_EVERY_SECONDS
        fields = {
            "accepted": sum(len(ledger.accepted) for ledger in ledgers),
            "announced": dict(figures.announced),
            "sites": len(figures.rates),
            "delay_ms_p50": round(figures.percentile(50)),
            "delay_ms_p99": round(figures.percentile(99)),
            "events_per_second": round(figures.per_second(), 1),
        }
        self._write(fields, _summary(figures, ledgers, stack))

    def _write(self, fields: dict[str, Any], text: str) -> None:
        sys.stdout.write((json.dumps(fields) if self._as_json else text) + "\n")
        sys.stdout.flush()


def print_audit(report: AuditReport, style: str, *, restarts: int) -> None:
    """The result of the audit, in the style of the demo."""
    if style == "json":
        fields = {
            "audit": "equal" if report.is_equal else "different",
            "counts": report.counts,
            "restarts": restarts,
            "differences": report.differences,
        }
        sys.stdout.write(json.dumps(fields) + "\n")
        return
    table = Table(title="Audit: recomputed from the log", title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, count in report.counts.items():
        table.add_row(name, f"{count:,}")
    table.add_row("services restarted", str(restarts))
    console = Console()
    console.print(table)
    if report.is_equal:
        console.print(
            "Equal: every accepted webhook is accounted for, every lifecycle event was published "
            "exactly once, every rate equals its recomputation, the API answers the same.",
            style="green",
        )
    for difference in report.differences:
        console.print(f"✗ {difference}", style="red", markup=False, highlight=False)


def _summary(figures: Figures, ledgers: list[Ledger], stack: Stack) -> str:
    accepted = sum(len(ledger.accepted) for ledger in ledgers)
    told = figures.announced
    return (
        f"webhooks accepted {accepted:,}   announced: abandoned {told['checkout.abandoned']:,}, "
        f"changed {told['checkout.changed']:,}, recovered {told['checkout.recovered']:,}   "
        f"{figures.per_second():.0f} events/s   webhook → announcement "
        f"p50 {figures.percentile(50):.0f} ms, p99 {figures.percentile(99):.0f} ms   "
        f"restarts {sum(service.restarts for service in stack.services)}"
    )


def _rows(figures: Figures) -> list[tuple[str, ...]]:
    rows = []
    for site, record in list(figures.rates.items()):
        window = next((w for w in record["windows"] if w["window"] == _HEADLINE), None)
        if window is None:
            continue
        cohort, matured = window["cohort"], window["matured"]
        rows.append(
            (
                cohort["abandoned"],
                (
                    site[:8],
                    f"{cohort['abandoned']:,}",
                    f"{cohort['recovered']:,}",
                    _percent(cohort["rate"]),
                    _percent(matured["rate"]),
                    f"{_percent(matured['low'])} to {_percent(matured['high'])}"
                    if matured["rate"]
                    else "-",
                ),
            )
        )
    return [row for _, row in sorted(rows, reverse=True)[:_MOST_SITES]]


def _percent(rate: str | None) -> str:
    return "-" if rate is None else f"{100 * float(rate):.1f} %"
