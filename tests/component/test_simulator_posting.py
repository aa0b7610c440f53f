"""The poster against a server that answers as told."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import jwt
import pytest
from aiohttp import web

from streams.demo.simulator.platform import Options, Platform, past
from streams.demo.simulator.posting import POSITION_HEADER, Poster
from streams.demo.simulator.signing import Signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from streams.demo.simulator.platform import Sending

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def some(count: int) -> list[Sending]:
    platform = Platform(Options(seed=1, duplicate_share=0, other_share=0), NOW)
    return list(platform.sendings(past(Random(1), NOW, days=1, count=count)))[:count]


@asynccontextmanager
async def server(
    handler: Callable[[web.Request], Coroutine[None, None, web.Response]],
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/webhooks/wix", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/wix"
    finally:
        await runner.cleanup()


async def test_what_is_accepted_goes_into_the_ledger_with_its_position(signer: Signer) -> None:
    bodies = []

    async def accept(request: web.Request) -> web.Response:
        bodies.append(await request.text())
        return web.json_response({}, headers={POSITION_HEADER: f"topic-0-{len(bodies)}"})

    sendings = some(50)
    async with server(accept) as url:
        poster = Poster(url, signer)
        await poster.post_all(iter(sendings), stop=asyncio.Event(), at_their_time=False)
    ledger = poster.ledger
    assert {webhook.event_id for webhook in ledger.accepted} == {s.event_id for s in sendings}
    assert len({webhook.position for webhook in ledger.accepted}) == 50
    assert ledger.answers == {"200": 50}
    assert ledger.sent == 50
    assert 0 < ledger.percentile(50) <= ledger.percentile(99)
    by_data = {sending.data: sending for sending in sendings}
    for body in bodies:
        data = jwt.decode(body, options={"verify_signature": False})["data"]
        jwt.decode(body, signer.public_keys()[by_data[data].app], algorithms=["RS256"])
    lines = [json.loads(line) for line in ledger.lines()]
    assert {line["event_id"] for line in lines} == {s.event_id for s in sendings}
    assert "mail.example" not in "".join(ledger.lines())


@pytest.mark.parametrize("status", [201, 204, 302, 401, 500, 503])
async def test_only_exactly_200_counts_and_the_same_data_is_sent_again(
    signer: Signer, status: int
) -> None:
    seen: list[str] = []

    async def refuse_once(request: web.Request) -> web.Response:
        token = jwt.decode(await request.text(), options={"verify_signature": False})
        seen.append(token["data"])
        return web.Response(status=status if len(seen) == 1 else 200, headers={"Location": "/"})

    async with server(refuse_once) as url:
        poster = Poster(url, signer, resend_seconds=(0.01, 0.01))
        await poster.post_all(iter(some(1)), stop=asyncio.Event(), at_their_time=False)
    assert len(poster.ledger.accepted) == 1
    assert seen[0] == seen[1]
    assert len(seen) == 2
    assert poster.ledger.answers == {str(status): 1, "200": 1}


async def test_an_answer_after_1250_ms_is_none(signer: Signer) -> None:
    enough = asyncio.Event()

    async def dawdle(_request: web.Request) -> web.Response:
        await enough.wait()
        return web.Response()

    async with server(dawdle) as url:
        poster = Poster(url, signer, resend_seconds=())
        started = asyncio.get_running_loop().time()
        await poster.post_all(iter(some(1)), stop=asyncio.Event(), at_their_time=False)
        elapsed = asyncio.get_running_loop().time() - started
        enough.set()
    assert 1.2 < elapsed < 3
    assert poster.ledger.answers == {"no answer": 1}
    assert poster.ledger.given_up == 1
    assert not poster.ledger.accepted


async def test_nobody_listening_is_no_answer(signer: Signer, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/webhooks/wix"
    poster = Poster(url, signer, resend_seconds=(0.01,))
    await poster.post_all(iter(some(2)), stop=asyncio.Event(), at_their_time=False)
    assert poster.ledger.answers == {"no answer": 4}
    assert poster.ledger.given_up == 2


async def test_a_webhook_that_waits_for_its_resend_holds_up_no_other(signer: Signer) -> None:
    sendings = some(200)
    unlucky = {sending.data for sending in sendings[:100]}
    stop = asyncio.Event()
    accepted = []

    async def refuse_some(request: web.Request) -> web.Response:
        token = jwt.decode(await request.text(), options={"verify_signature": False})
        if token["data"] in unlucky:
            return web.Response(status=503)
        accepted.append(token)
        if len(accepted) == 100:
            stop.set()
        return web.Response()

    async with server(refuse_some) as url:
        poster = Poster(url, signer, resend_seconds=(60,))
        await asyncio.wait_for(
            poster.post_all(iter(sendings), stop=stop, at_their_time=False), timeout=30
        )
    assert len(poster.ledger.accepted) == 100
    assert poster.ledger.given_up == 100


async def test_real_time_waits_for_each_sendings_time_and_ends_when_told(signer: Signer) -> None:
    arrivals = []
    stop = asyncio.Event()

    async def accept(_request: web.Request) -> web.Response:
        arrivals.append(datetime.now(UTC))
        if len(arrivals) == 3:
            stop.set()
        return web.Response()

    start = datetime.now(UTC)
    pace = timedelta(seconds=0.2)
    instants = (start + pace * (number + 1) for number in range(1_000))
    options = Options(duplicate_share=0, disorder_share=0, other_share=0, unreadable_share=0)
    async with server(accept) as url:
        poster = Poster(url, signer)
        platform = Platform(options, start)
        await asyncio.wait_for(
            poster.post_all(platform.sendings(instants), stop=stop, at_their_time=True),
            timeout=30,
        )
    assert all(arrived >= start + pace * (n + 1) for n, arrived in enumerate(arrivals[:3]))
    assert len(arrivals) < 10
