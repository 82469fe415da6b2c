"""A TCP proxy that can break what passes through it."""

from __future__ import annotations

import asyncio
import contextlib

from ctid.tasks import spawn


class FaultProxy:
    """``cut`` breaks all connections, ``refuse`` keeps new ones out, ``garble`` replaces the next
    bytes from the server, ``swallow_after`` some bytes of the client nothing comes back."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.refuse = False
        self.garble = b""
        self.split = False
        self.connections = 0
        self.sent = b""  # what the client sent
        self.swallow_after = b""  # once the client has sent this, nothing comes back any more

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refuse:
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, there_writer}
        back = spawn(self._copy(there_reader, writer, from_server=True), name="proxy back")
        await self._copy(reader, there_writer, from_server=False)
        await back

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if from_server and self.garble:
                    data, self.garble = self.garble, b""
                if not from_server:
                    self.sent += data
                if from_server and self.swallow_after and self.swallow_after in self.sent:
                    continue
                if self.split and from_server:
                    for index in range(len(data)):
                        writer.write(data[index : index + 1])
                else:
                    writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.swallow_after = b""

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
