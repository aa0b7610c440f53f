"""Three teams subscribe to ``checkout-recovery up``: in Python, Java and JavaScript.

What they print must be the same, line by line; each story of the contracts is played to them.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from schemas.consumer import EVENTS
from schemas.scenarios import DELAY, scenarios
from streams.adapters.cluster import Cluster
from streams.config import load_settings
from tests.support.consumers_page import Newcomer, without_maven
from tests.support.consumers_page import commands as commands_of_the_page
from tests.support.posting import post
from tests.support.services import wait_until
from tests.support.shop import Shop
from tests.support.signing import public_pem
from tests.support.subscribers import LANGUAGES, Subscriber, command
from tests.support.up import running_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The line of a running ``checkout-recovery up``."""
    key = tmp_path_factory.mktemp("keys") / "app.pem"
    key.write_text(public_pem())
    with running_up(key) as line:
        yield line


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return {
        language: command(language, tmp_path_factory.mktemp(language)) for language in LANGUAGES
    }


def subscribers(
    commands: dict[str, list[str]], up: dict[str, Any], directory: Path, topic: str
) -> list[Subscriber]:
    return [
        Subscriber(language, commands[language], directory, topic, up["bootstrap_servers"])
        for language in LANGUAGES
    ]


@contextmanager
def running(all_of_them: list[Subscriber], **options: str) -> Iterator[None]:
    with ExitStack() as stack:
        for subscriber in all_of_them:
            stack.enter_context(subscriber.run(**options))
        yield


def wait_for_lines(all_of_them: list[Subscriber], count: int) -> None:
    for subscriber in all_of_them:
        wait_until(
            lambda: len(subscriber.lines) >= count,  # noqa: B023  # waited for at once
            60,
            lambda: f"{subscriber.language}: {subscriber.lines} {subscriber.complaints}",  # noqa: B023
        )


def committed(subscriber: Subscriber) -> int:
    """How far its group is in the first partition."""
    consumer = Consumer(
        {"bootstrap.servers": subscriber.bootstrap_servers, "group.id": subscriber.group}
    )
    [position] = consumer.committed([TopicPartition(subscriber.topic, 0)], timeout=20)
    consumer.close()
    return int(position.offset)


def test_each_does_in_every_story_what_the_story_asks_and_all_do_the_same(
    up: dict[str, Any], commands: dict[str, list[str]], tmp_path: Path
) -> None:
    topic = f"stories-{uuid.uuid4().hex[:8]}"
    Cluster(load_settings(bootstrap_servers=up["bootstrap_servers"])).create(
        [NewTopic(topic, 1, 1)]
    )
    teams = subscribers(commands, up, tmp_path, topic)
    producer = Producer({"bootstrap.servers": up["bootstrap_servers"], "enable.idempotence": True})
    stories = list(scenarios().values())
    written = wanted = 0
    for number in range(max(len(story.acts) for story in stories)):
        acts = [story.acts[number] for story in stories if number < len(story.acts)]
        for record in (record for act in acts for record in act.records):
            headers: list[tuple[str, str | bytes | None]] = [*record.headers.items()]
            producer.produce(topic, key=record.key, value=record.value, headers=headers)
            written += 1
        assert producer.flush(30) == 0
        wanted += sum(len(act.actions) for act in acts)
        [now] = {act.now for act in acts}
        seconds = str(int(DELAY.total_seconds()))
        with running(teams, now=now.isoformat(), delay_seconds=seconds):  # once more each act
            wait_for_lines(teams, wanted)
            for team in teams:
                wait_until(lambda: committed(team) == written, 30)  # noqa: B023  # waited for at once
    python, java, javascript = teams
    assert python.lines == java.lines == javascript.lines
    for story in stories:
        own = {record.key.decode() for act in story.acts for record in act.records if record.key}
        done = [line for line in python.lines if line.split()[1] in own]
        assert done == story.actions, story.name
    assert [team.complaints for team in teams if "Error" in team.complaints] == []


def test_webhooks_in_and_the_same_actions_out_of_all_three(
    up: dict[str, Any], commands: dict[str, list[str]], tmp_path: Path
) -> None:
    teams = subscribers(commands, up, tmp_path, EVENTS)
    shop = Shop(up["ingress_url"])
    kept, bought, forgotten = (str(uuid.uuid4()) for _ in range(3))
    expected: list[str] = []

    def then(*lines: str) -> None:
        expected.extend(lines)
        wait_for_lines(teams, len(expected))

    shop.tell(kept, "created")
    shop.tell(bought, "created")
    with running(teams, delay_seconds="86400"):
        shop.tell(bought, "recovered", status="RECOVERED")
        then(f"skip {bought} recovered")  # within the delay
    with running(teams, delay_seconds="0"):  # after a restart, with what they remember
        then(f"start {kept} contact:c-{kept}")
        again = shop.tell(forgotten, "created")
        then(f"start {forgotten} contact:c-{forgotten}")
        post(up["ingress_url"], again)
        shop.tell(kept, "recovered", status="RECOVERED")
        then(f"stop {kept} recovered")
        shop.tell(forgotten, "updated", is_anonymize=True)
        then(f"stop {forgotten} anonymized", f"erase {forgotten} contact:c-{forgotten}")
    for team in teams:
        assert team.lines == expected, team.language


@pytest.mark.timeout(600)  # the first time fetches what the page tells to install
def test_the_page_for_subscribers_leads_to_a_running_one_in_each_language(
    up: dict[str, Any], tmp_path: Path
) -> None:
    page = commands_of_the_page()
    newcomer = Newcomer(tmp_path, up["bootstrap_servers"])
    shop = Shop(up["ingress_url"])
    checkout = str(uuid.uuid4())
    shop.tell(checkout, "created")
    (tmp_path / "classes").mkdir()
    for language in LANGUAGES:
        *before, last = page[language]
        for line in before:
            newcomer.type(line)
        output = tmp_path / language
        process = newcomer.start(without_maven(last, tmp_path / "classes"), output)
        try:
            wait_until(
                lambda: f"start {checkout} contact:c-{checkout}\n" in output.read_text(),  # noqa: B023  # waited for at once
                120,
                output.with_suffix(".errors").read_text,
            )
        finally:
            process.terminate()
            process.wait(30)
    *before, last = page["stories"]
    for line in before:
        newcomer.type(line)
    assert f"{len(scenarios()) + 1} passed" in newcomer.type(last)
