"""Waits until an Asterisk is fully booted, told by its own AMI event."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from sim.lab.info import AmiInfo


class NotBooted(RuntimeError):
    """It ended or stayed silent."""


def wait_fully_booted(ami: AmiInfo, alive: Callable[[], bool], timeout_s: float) -> None:
    """Return when AMI has sent ``FullyBooted`` to us.

    Asterisk opens the AMI port early in its start; until then connecting is tried again every
    20 ms, as there is nothing to wait for yet. Raises :class:`NotBooted`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        if not alive():
            raise NotBooted("it ended while starting")
        try:
            with socket.create_connection((ami.host, ami.port), timeout=1.0) as sock:
                if _until_fully_booted(sock, ami, deadline):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise NotBooted(f"it did not boot within {timeout_s:.0f} s")
        time.sleep(0.02)


def _until_fully_booted(sock: socket.socket, ami: AmiInfo, deadline: float) -> bool:
    login = f"Action: Login\r\nUsername: {ami.username}\r\nSecret: {ami.secret}\r\n\r\n"
    sock.sendall(login.encode())
    seen = b""
    while time.monotonic() < deadline:
        sock.settimeout(max(0.05, deadline - time.monotonic()))
        data = sock.recv(65536)
        if not data:
            return False
        seen += data
        if b"Authentication failed" in seen:
            raise NotBooted("AMI refused the password the lab had set")
        if b"Event: FullyBooted" in seen:
            sock.sendall(b"Action: Logoff\r\n\r\n")
            return True
    return False
