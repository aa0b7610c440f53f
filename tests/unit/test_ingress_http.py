"""What a connection does with what clients say, without a socket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from streams.ingress.answers import Answer, refused
from streams.ingress.connection import LARGEST_BODY
from streams.ingress.http import HttpServer
from streams.ingress.pulse import Pulse
from tests.support.clients import connect, post

if TYPE_CHECKING:
    from streams.ingress.request import Request


class Echo:
    """Answers what it is told to, at once or when ``let_go`` is called."""

    def __init__(self) -> None:
        self.begun: list[Request] = []
        self.held: list[Request] = []
        self.told: list[str] = []
        self.holds = False

    def begin(self, request: Request) -> Answer | None:
        self.begun.append(request)
        return refused(404, "not_found") if request.target == b"/nowhere" else None

    def finish(self, request: Request) -> None:
        if self.holds:
            self.held.append(request)
        else:
            self.respond(request, Answer(200, "ok", request.body))

    def respond(self, request: Request, answer: Answer) -> None:
        self.told.append(answer.reason)
        request.respond(answer)

    def let_go(self, *numbers: int) -> None:
        for number in numbers:
            request = self.held[number]
            self.respond(request, Answer(200, "ok", request.body))


def serving() -> tuple[Echo, HttpServer]:
    echo = Echo()
    return echo, HttpServer(echo, Pulse())


async def test_a_connection_serves_one_request_after_the_other_in_whatever_pieces() -> None:
    echo, server = serving()
    connection, client = connect(server)
    said = post(b"one") + post(b"two") + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for position in range(len(said)):
        connection.data_received(said[position : position + 1])
    assert [(status, body) for status, _, body in client.answers()] == [
        (200, b"one"),
        (200, b"two"),
        (200, b""),
    ]
    assert not client.is_closed
    assert [request.method for request in echo.begun] == [b"POST", b"POST", b"GET"]
    assert server.buffered == 0


async def test_answers_leave_in_the_order_of_their_requests() -> None:
    echo, server = serving()
    echo.holds = True
    connection, client = connect(server)
    connection.data_received(b"".join(post(b"%d" % number) for number in range(4)))
    echo.let_go(2, 1)
    assert client.answers() == []
    echo.let_go(0)
    assert [body for _, _, body in client.answers()] == [b"0", b"1", b"2"]
    echo.let_go(3)
    assert [body for _, _, body in client.answers()] == [b"0", b"1", b"2", b"3"]


async def test_a_body_may_come_in_chunks() -> None:
    _, server = serving()
    connection, client = connect(server)
    connection.data_received(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert [body for _, _, body in client.answers()] == [b"abcde"]


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["words", "tls", "http2", "websocket", "negative", "two-lengths", "smuggling"],
)
async def test_what_is_no_request_is_answered_400_and_the_connection_ends(said: bytes) -> None:
    echo, server = serving()
    connection, client = connect(server)
    connection.data_received(said)
    [(status, headers, _)] = [answer for answer in client.answers() if answer[0] != 200]
    assert status == 400
    assert headers["connection"] == "close"
    assert client.is_closed
    before = client.written
    connection.data_received(post(b"more"))
    assert client.written == before
    assert len(echo.begun) == len(echo.told)


async def test_a_head_without_end_is_refused() -> None:
    _, server = serving()
    connection, client = connect(server)
    connection.data_received(b"GET / HTTP/1.1\r\n")
    for number in range(10):
        connection.data_received(b"x-%d: %b\r\n" % (number, b"y" * 8_000))
    assert client.answers()[0][0] == 431
    assert client.is_closed


async def test_a_body_that_is_declared_too_large_is_not_read() -> None:
    _, server = serving()
    connection, client = connect(server)
    connection.data_received(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nxx" % (LARGEST_BODY + 1)
    )
    assert [(status, client.is_closed) for status, _, _ in client.answers()] == [(413, True)]


async def test_a_body_in_crumbs_larger_than_the_limit_is_refused_without_reading_on() -> None:
    _, server = serving()
    connection, client = connect(server)
    connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    crumb = b"10000\r\n%b\r\n" % (b"x" * 65_536)
    for number in range(40):
        assert bool(client.written) == (number > 16)
        connection.data_received(crumb)
    assert [status for status, _, _ in client.answers()] == [413]
    assert server.buffered == 0


async def test_unfinished_bodies_of_all_share_one_budget() -> None:
    echo, server = serving()
    clients = []
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LARGEST_BODY
    for _ in range(80):
        connection, client = connect(server)
        clients.append((connection, client))
        connection.data_received(head + b"x" * 1_000_000)
    assert server.buffered <= 64 << 20
    refusals = [client.answers()[0][0] for _, client in clients if client.written]
    assert refusals
    assert set(refusals) == {503}
    for connection, _ in clients:
        connection.connection_lost(None)
    assert server.buffered == 0
    assert len(echo.told) == len(echo.begun) == 80


async def test_an_early_answer_ends_the_connection_only_if_the_body_is_still_to_come() -> None:
    _, server = serving()
    connection, client = connect(server)
    connection.data_received(post(b"all of it", b"/nowhere") + post(b"next"))
    assert [status for status, _, _ in client.answers()] == [404, 200]
    connection.data_received(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx")
    assert [status for status, _, _ in client.answers()] == [404, 200, 404]
    assert client.is_closed


async def test_head_has_no_body_and_an_old_client_no_second_request() -> None:
    _, server = serving()
    connection, client = connect(server)
    connection.data_received(b"HEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.written.endswith(b"\r\n\r\n")
    assert b"content-length: 21" in client.written
    connection, client = connect(server)
    connection.data_received(b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nok")
    [(status, headers, body)] = client.answers()
    assert (status, headers["connection"], body) == (200, "close", b"ok")
    assert client.is_closed


async def test_a_client_that_asks_whether_to_go_on_is_told_to() -> None:
    _, server = serving()
    connection, client = connect(server)
    connection.data_received(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    assert client.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(b"ok")
    assert client.written.endswith(b"ok")


async def test_a_client_that_says_no_more_still_gets_its_answer() -> None:
    echo, server = serving()
    echo.holds = True
    connection, client = connect(server)
    connection.data_received(post(b"last"))
    assert connection.eof_received()
    echo.let_go(0)
    assert [body for _, _, body in client.answers()] == [b"last"]
    assert client.is_closed
    connection, _ = connect(server)
    assert not connection.eof_received()


async def test_who_goes_in_the_middle_of_a_body_was_answered_400() -> None:
    echo, server = serving()
    connection, client = connect(server)
    connection.data_received(post(b"a body that does not end")[:-5])
    connection.connection_lost(None)
    assert echo.told == ["body_incomplete"]
    assert not client.written
    assert server.buffered == 0


async def test_a_body_that_takes_too_long_is_answered_408_and_a_head_cut_off() -> None:
    echo, server = serving()
    connection, client = connect(server)
    connection.data_received(post(b"slow")[:-1])
    assert connection.deadline < time.monotonic() + 1
    connection.expire()
    assert [status for status, _, _ in client.answers()] == [408]
    assert client.is_closed
    assert echo.told == ["body_too_slow"]
    connection, client = connect(server)
    connection.data_received(b"GET / HT")
    assert connection.deadline < time.monotonic() + 6
    connection.expire()
    assert client.is_closed
    assert not client.written


async def test_no_time_runs_while_the_application_thinks_and_an_idle_client_has_longer() -> None:
    echo, server = serving()
    echo.holds = True
    connection, _ = connect(server)
    connection.data_received(post(b"x"))
    assert connection.deadline == float("inf")
    echo.let_go(0)
    assert 60 < connection.deadline - time.monotonic() < 80


async def test_while_it_drains_every_answer_ends_its_connection() -> None:
    _, server = serving()
    server.is_draining = True
    connection, client = connect(server)
    connection.data_received(post(b"x"))
    [(status, headers, _)] = client.answers()
    assert (status, headers["connection"]) == (200, "close")
    assert client.is_closed
