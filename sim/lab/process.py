"""Processes and ports of the lab: start apart, wait for the end by event, pick free ports."""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import select
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path


def start_apart(command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> int:
    """Start ``command`` in a session of its own, so that it outlives us; gives its pid."""
    with log.open("ab") as handle:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=handle, stderr=subprocess.STDOUT,
            start_new_session=True, env=dict(env), cwd=cwd,
        )  # fmt: skip
    # A call needs about ten descriptors; the usual soft limit of 1024 ends at a hundred calls.
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (hard, hard))
    # The child is reaped by us if we live, by init if we do not.
    process.returncode = 0  # keeps Popen's destructor from warning about a running child
    return process.pid


def start_time(pid: int) -> int | None:
    """Start time of process ``pid`` in clock ticks since boot (proc(5), field 22); None if gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def is_running(pid: int, started: int) -> bool:
    """Whether exactly this process lives; a pid alone may have been given to another one."""
    return pid > 0 and start_time(pid) == started


def with_arguments(*wanted: str) -> list[int]:
    """Processes of ours whose command line has all these arguments."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            mine = folder.stat().st_uid == os.getuid()
        except OSError:
            continue
        if mine and all(os.fsencode(text) in arguments for text in wanted):
            found.append(int(folder.name))
    return found


def wait_gone(pid: int, timeout_s: float) -> bool:
    """Wait for the end of ``pid`` by its pidfd; also collects it if it is our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ready, _, _ = select.select([descriptor], [], [], timeout_s)
    finally:
        os.close(descriptor)
    if ready:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return bool(ready)


def end(pid: int, started: int, timeout_s: float) -> None:
    """End a process and its whole group: asked first, killed after ``timeout_s``."""
    if is_running(pid, started):
        os.kill(pid, signal.SIGTERM)
        if not wait_gone(pid, timeout_s):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_gone(pid, 5.0)
    # programs it had started (AGI scripts) are in its process group, which is ours by its number
    if start_time(pid) is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


#: below RTP (sim.lab.options) and below the ephemeral ports
PORTS = (5200, 10_900)

#: of these, what browsers refuse to open (https://fetch.spec.whatwg.org/#port-blocking)
REFUSED_BY_BROWSERS = frozenset({6000, 6566, *range(6665, 6670), 6679, 6697, 10_080})

#: ports given of late: whoever they were chosen for may not listen yet
_claims: deque[socket.socket] = deque()
CLAIMS = 100


def free_port(host: str, *, udp: bool, tcp: bool) -> int:
    """A port that nobody has on ``host``, for the protocols asked for.

    Outside the kernel's ephemeral range (ip(7), ip_local_port_range): a port of that range may
    become some connection's own before the program it was chosen for listens on it. For the same
    reason no port is given twice, by this process or another, until a hundred more were given.
    """
    for _ in range(200):
        port = PORTS[0] + secrets.randbelow(PORTS[1] - PORTS[0])
        if port in REFUSED_BY_BROWSERS or not port_is_free(host, port, udp=udp, tcp=tcp):
            continue
        if _claim(port):
            return port
    raise OSError(f"no free port on {host}")


def _claim(port: int) -> bool:
    """Note for all processes that ``port`` is given, by a name that ends with us (unix(7))."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0ctid-lab-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    if len(_claims) > CLAIMS:
        _claims.popleft().close()
    return True


def port_is_free(host: str, port: int, *, udp: bool, tcp: bool) -> bool:
    """Whether ``port`` could be bound now."""
    for kind in [socket.SOCK_DGRAM] * udp + [socket.SOCK_STREAM] * tcp:
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((host, port))
            except OSError:
                return False
    return True
