"""Compares what the API answers with what the topics hold: rates, sums of them, and timelines."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from streams.demo.audit.report import AuditReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from streams.demo.audit.log import LogRecord, Logs

    #: The JSON that the API answers for an address; None: there is nothing.
    Ask = Callable[[str], Any]

#: What a checkout is known to be once this was announced of it.
_KNOWN_BY: Final = {
    "checkout.recovered": lambda answer: answer["status"] == "RECOVERED",
    "checkout.deleted": lambda answer: answer["is_deleted"],
    "checkout.anonymized": lambda answer: answer["is_anonymized"],
}


def judge_answers(ask: Ask, logs: Logs, random: Random, *, samples: int = 200) -> AuditReport:
    """Every site's rates, their sums, and the timelines of some checkouts chosen by chance."""
    report = AuditReport()
    newest = {record.key: record for record in logs.conversion}
    records = []
    for site, record in newest.items():
        answer = ask(f"/v1/sites/{site}/conversion")
        _judge_rates(answer, site, record, report)
        expected = json.loads(record.value)
        records += [expected] if answer == expected else []
    report.counts["sites asked of the API"] = len(newest)
    if len(records) == len(newest):  # else time has gone on, and the sums with it
        _judge_overview(ask("/v1/overview"), records, report)
    letters = {_place(letter) for letter in logs.dead_letters}
    received, announced = defaultdict(list), defaultdict(list)
    for record in logs.source:
        if f"{record.topic}-{record.partition}-{record.offset}" not in letters:
            received[record.key].append(record)
    for record in logs.events:
        announced[record.key].append(json.loads(record.value))
    chosen = random.sample(sorted(received), k=min(samples, len(received)))
    for checkout in chosen:
        answer = ask(f"/v1/checkouts/{checkout}/timeline")
        _judge_timeline(answer, checkout, received[checkout], announced[checkout], report)
    report.counts["timelines asked of the API"] = len(chosen)
    return report


def _judge_rates(answer: Any, site: str, record: LogRecord, report: AuditReport) -> None:  # noqa: ANN401  # JSON
    expected = json.loads(record.value)
    if answer is None:
        report.differ(f"the API has no rates of the site {site}")
    elif answer != expected and _counted(answer) <= _counted(expected):
        report.differ(f"the API's rates of the site {site} are not those of the topic")


def _counted(rates: Any) -> int:  # noqa: ANN401  # JSON
    """How far a site's facts are counted; all are in one partition."""
    return int(rates["facts_position"]["offset"])


def _judge_overview(answer: Any, records: Sequence[Any], report: AuditReport) -> None:  # noqa: ANN401  # JSON
    """All sites together: counts and money are the sums of the newest records'."""
    if answer is None:
        report.differ("the API has no overview")
        return
    report.counts["sites summed by the API"] = answer["sites"]
    if answer["sites"] != len(records) or _summed(answer) != _summed(*records):
        report.differ("the API's overview is not the sum of the sites' records")


def _summed(*records: Any) -> Counter[tuple[str, ...]]:  # noqa: ANN401  # JSON
    found: Counter[tuple[str, ...]] = Counter()
    for record in records:
        for window in record["windows"]:
            for kind in ("flow", "cohort", "matured"):
                for what in ("abandoned", "recovered"):
                    found[window["window"], kind, what] += window[kind][what]
            for value in window["money"]:
                for what in ("abandoned", "recovered", "open"):
                    cell = (window["window"], value["currency"], what)
                    found[cell] += int(Decimal(value[what]).scaleb(9))
    return found


def _judge_timeline(
    answer: Any,  # noqa: ANN401  # JSON
    checkout: str,
    received: Sequence[LogRecord],
    announced: Sequence[Any],
    report: AuditReport,
) -> None:
    if answer is None:
        report.differ(f"the API does not know the checkout {checkout}")
        return
    entries: dict[str, list[Any]] = {"received": [], "announced": []}
    for entry in answer["entries"]:
        entries[entry["what"]].append(entry)
    if [entry["position"] for entry in entries["received"]] != [
        f"{record.topic}-{record.partition}-{record.offset}" for record in received
    ]:
        report.differ(f"the API's timeline of {checkout} has other events than the topic")
    if [entry["event_id"] for entry in entries["announced"]] != [
        event["event_id"] for event in announced
    ]:
        report.differ(f"the API's timeline of {checkout} has other announcements than the topic")
    for event in announced:
        is_known = _KNOWN_BY.get(event["type"])
        if is_known is not None and not is_known(answer):
            report.differ(f"{event['type']} of {checkout} was announced, the API does not say so")


def _place(letter: LogRecord) -> str:
    names = ("dead_letter_topic", "dead_letter_partition", "dead_letter_offset")
    return "-".join(letter.headers.get(name, "") for name in names)
