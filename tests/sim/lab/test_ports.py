"""The ports that labs and daemons are given."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator

import pytest

from sim.lab import process

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("ports", [(6000, 6001), (6566, 6567), (6665, 6670), (10_080, 10_081)])
def test_no_port_is_given_that_a_browser_refuses_to_open(
    monkeypatch: pytest.MonkeyPatch, ports: tuple[int, int]
) -> None:
    monkeypatch.setattr(process, "PORTS", ports)
    with pytest.raises(OSError, match="no free port"):
        process.free_port("127.0.0.1", udp=False, tcp=True)


@pytest.fixture
def own_claims(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    claims: deque[socket.socket] = deque()
    monkeypatch.setattr(process, "_claims", claims)
    yield
    for claim in claims:
        claim.close()


@pytest.mark.usefixtures("own_claims")
def test_a_port_is_given_from_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PORTS", (5130, 5132))
    monkeypatch.setattr(process, "REFUSED_BY_BROWSERS", frozenset({5130}))
    assert process.free_port("127.0.0.8", udp=True, tcp=True) == 5131


@pytest.mark.usefixtures("own_claims")
def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have been given it who does not listen yet. The range is below all others."""
    monkeypatch.setattr(process, "PORTS", (5100, 5103))
    given = {process.free_port("127.0.0.9", udp=True, tcp=True) for _ in range(3)}
    assert given == {5100, 5101, 5102}
    with pytest.raises(OSError, match="no free port"):
        process.free_port("127.0.0.9", udp=False, tcp=True)


OTHER = """
import sys
from sim.lab import process
process.PORTS = (5110, 5111)
print(process.free_port("127.0.0.9", udp=False, tcp=True), flush=True)
sys.stdin.readline()
"""


@pytest.mark.usefixtures("own_claims")
def test_no_port_is_given_that_another_process_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PORTS", (5110, 5111))
    with subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "5110\n"
        with pytest.raises(OSError, match="no free port"):
            process.free_port("127.0.0.9", udp=False, tcp=True)
        other.stdin.close()
        other.wait()
    assert process.free_port("127.0.0.9", udp=False, tcp=True) == 5110


@pytest.mark.usefixtures("own_claims")
def test_of_the_ports_given_only_the_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PORTS", (5120, 5122))
    monkeypatch.setattr(process, "CLAIMS", 1)
    first, second, third = (process.free_port("127.0.0.9", udp=False, tcp=True) for _ in range(3))
    assert {first, second} == {5120, 5121}
    assert third == first
