"""Ports of loopback for servers that bind them a moment later, in another process.

They are taken from below the range that operating systems give to outgoing connections (from 32768
on Linux, 49152 on macOS). A port of that range can be lost to any connection while its server is
down; a client that keeps asking there may even connect to itself, and block the server's return.
"""

from __future__ import annotations

import random
import socket
from typing import Final

HOST: Final = "127.0.0.1"
_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000
_ATTEMPTS: Final = 1_000

_random = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on now and that this process was not given before.

    Raises:
        OSError: no port is free.
    """
    for _ in range(_ATTEMPTS):
        port = _random.randint(_LOWEST, _HIGHEST)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no port of {HOST} is free between {_LOWEST} and {_HIGHEST}")


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
