"""Ears and mouths for bare SIP phones: tones in RTP, judged packet by packet (20 ms each).

A-law as in ITU-T G.711, RTP as in RFC 3550; no jitter buffer, so the times are the PBX's.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ctid.tasks import cancel_and_wait, spawn
from sim.phones.useragent import UdpCall, UdpEndpoint

FRAME = 160
HEARD = 0.08  # share of a frame's energy


def _decode(byte: int) -> int:
    byte ^= 0x55
    exponent, mantissa = (byte >> 4) & 7, byte & 15
    value = (mantissa << 4) + 8
    if exponent:
        value = (value + 256) << (exponent - 1)
    return value if byte & 0x80 else -value


TABLE = [_decode(b) for b in range(256)]
_CODES = sorted((value, byte) for byte, value in enumerate(TABLE))


@lru_cache
def tone_frame(hz: int, level: int = 6000) -> bytes:
    """20 ms of a tone. A multiple of 50 Hz, so that frames join without a jump."""
    out = bytearray()
    for n in range(FRAME):
        want = round(level * math.sin(2 * math.pi * hz * n / 8000))
        out.append(min(_CODES, key=lambda code: abs(code[0] - want))[1])
    return bytes(out)


def share(payload: bytes, hz: int) -> float:
    """Share of a frame's energy at ``hz`` (Goertzel), 0 for silence."""
    samples = [TABLE[b] for b in payload]
    energy = sum(s * s for s in samples)
    if energy < len(samples) * 100 * 100:
        return 0.0
    k = 2 * math.cos(2 * math.pi * hz / 8000)
    before = last = 0.0
    for s in samples:
        before, last = last, s + k * last - before
    return 2 * (before * before + last * last - k * before * last) / len(samples) / energy


class Ears:
    """All calls of one endpoint: what each hears, and the tone that each sends."""

    def __init__(self, endpoint: UdpEndpoint) -> None:
        assert endpoint._rtp is not None, "start it first"
        self._socket = endpoint._rtp
        self._socket.setblocking(False)
        self._waiting: dict[Any, tuple[Callable[[bytes], bool], asyncio.Future[float]]] = {}
        self._mouths: list[asyncio.Task[None]] = []
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        for mouth in self._mouths:
            await cancel_and_wait(mouth)

    def speak(self, call: UdpCall, hz: int, *, for_s: float = math.inf) -> None:
        """Send a tone until the call ends, or ``for_s`` have passed."""
        self._mouths.append(spawn(self._speak(call, tone_frame(hz), for_s), name=f"mouth {hz}"))

    async def _speak(self, call: UdpCall, frame: bytes, for_s: float) -> None:
        loop = asyncio.get_running_loop()
        assert call.media is not None
        start, n = loop.time(), 0
        while not call.ended.is_set() and n * 0.02 < for_s:
            header = struct.pack("!BBHII", 0x80, 8, n & 0xFFFF, n * FRAME, id(call) & 0xFFFFFFFF)
            with contextlib.suppress(BlockingIOError):
                self._socket.sendto(header + frame, call.media)
            n += 1
            await asyncio.sleep(max(0.0, start + n * 0.02 - loop.time()))

    def hears(self, call: UdpCall, hz: int, *, want: bool = True) -> asyncio.Future[float]:
        """The time (monotonic) of the first packet with ``hz`` in it, or without."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[call.media] = (lambda p: (share(p, hz) > HEARD) == want, future)
        return future

    def _read(self) -> None:
        while True:
            try:
                data, source = self._socket.recvfrom(2048)
            except BlockingIOError:
                return
            now = time.monotonic()
            waiting = self._waiting.get(source)
            if waiting is not None and len(data) == 12 + FRAME and waiting[0](data[12:]):
                del self._waiting[source]
                if not waiting[1].done():
                    waiting[1].set_result(now)
