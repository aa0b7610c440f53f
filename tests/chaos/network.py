"""A slow and unreliable network between the workers and each broker: a proxy in a thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from streams.demo.kafka.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from streams.demo.kafka.broker import Node

_CHUNK: Final = 1 << 18
_START_SECONDS: Final = 10


class Network:
    """One proxied listener a broker; a context manager. Only who is told its address uses it.

    ``delay_seconds`` is added to everything in both directions, from the moment it is set.
    """

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        #: Broker: the port of its second listener, and the proxy's port before it.
        self._ports: dict[int, tuple[int, int]] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="network")

    @property
    def bootstrap_servers(self) -> str:
        """The proxies' addresses."""
        return ",".join(f"{HOST}:{front}" for _, front in self._ports.values())

    def properties(self, node: Node) -> Mapping[str, str]:
        """Settings that give a broker its second listener."""
        behind, front = self._ports[node.number] = free_port(), free_port()
        listeners = f"PLAINTEXT://{HOST}:{node.port},FAR://{HOST}:{{far}}"
        protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT"
        return {
            "listeners": f"{listeners.format(far=behind)},"
            f"CONTROLLER://{HOST}:{node.controller_port}",
            "advertised.listeners": listeners.format(far=front),
            "listener.security.protocol.map": protocols,
            "inter.broker.listener.name": "PLAINTEXT",
        }

    def __enter__(self) -> Self:
        self._thread.start()
        for behind, front in self._ports.values():
            opening = asyncio.run_coroutine_threadsafe(self._open(behind, front), self._loop)
            opening.result(_START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)

    def cut(self) -> None:
        """Reset every connection."""

        def reset() -> None:
            for writer in list(self._writers):
                writer.transport.abort()

        self._loop.call_soon_threadsafe(reset)

    async def _open(self, behind: int, front: int) -> None:
        async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there, back = await asyncio.open_connection(HOST, behind)
            except OSError:
                writer.transport.abort()
                return
            self._writers |= {writer, back}
            try:
                await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
            finally:
                self._writers -= {writer, back}

        await asyncio.start_server(join, HOST, front)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()
