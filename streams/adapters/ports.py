"""Ports that nobody listens on."""

from __future__ import annotations

import socket


def free_port(host: str) -> int:
    """A port that nobody listens on.

    Raises:
        OSError: the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
