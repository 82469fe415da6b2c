"""The ports that labs and daemons are given."""

from __future__ import annotations

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


def test_a_port_is_given_from_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PORTS", (6669, 6671))
    monkeypatch.setattr(process, "_given", set())
    # an address that the next test does not try meanwhile
    assert process.free_port("127.0.0.8", udp=True, tcp=True) == 6670


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have been given it who does not listen yet."""
    monkeypatch.setattr(process, "PORTS", (6670, 6673))
    monkeypatch.setattr(process, "_given", set())
    given = {process.free_port("127.0.0.9", udp=False, tcp=True) for _ in range(3)}
    assert given == {6670, 6671, 6672}
    with pytest.raises(OSError, match="no free port"):
        process.free_port("127.0.0.9", udp=False, tcp=True)
