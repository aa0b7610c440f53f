"""Serves ``/healthz``, ``/readyz`` and ``/metrics`` from a thread of its own.

Invariant: it answers while the event loop is busy, so a probe does not kill a process at work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

#: Says why the process can't do its work now; an empty string: it can.
Readiness = Callable[[], str]


def serve_health(
    host: str, port: int, *, registry: CollectorRegistry, readiness: Readiness
) -> ThreadingHTTPServer:
    """Start serving; ``server_port`` of the result is the port, ``shutdown`` ends it.

    Raises:
        OSError: the address can't be listened on.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the standard library's name
            if self.path == "/healthz":
                self._answer(HTTPStatus.OK, b"alive\n")
            elif self.path == "/readyz":
                reason = readiness()
                status = HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK
                self._answer(status, f"{reason or 'ready'}\n".encode())
            elif self.path == "/metrics":
                self._answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"/healthz, /readyz or /metrics\n")

        def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Probes are no news."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, name="health").start()
    return server
