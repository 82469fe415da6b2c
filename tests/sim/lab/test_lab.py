"""The private Asterisk comes up, stays apart from others, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sim.lab import Lab, LabError, LabInfo, Ports, default_base_dir
from sim.lab.lab import LONGEST_RUN_DIR
from sim.lab.options import REPOSITORY
from sim.lab.process import start_time, wait_gone, with_arguments
from sim.phones.udp import CallerPool

from .conftest import lab_or_skip

pytestmark = pytest.mark.asterisk


def processes_of(lab: Lab) -> list[int]:
    return with_arguments(str(lab.folders.etc / "asterisk.conf"))


def answered(info: LabInfo) -> bool:
    """Whether a call to the test number is answered."""

    async def call() -> int:
        async with CallerPool((info.sip_host, info.sip_port)) as callers:
            one = callers.call(info.numbers["answer_once"])
            await asyncio.wait_for(one.ended.wait(), 20)
            return one.status

    return asyncio.run(call()) == 200


def test_two_run_side_by_side_and_leave_nothing(lab: Lab, info: LabInfo) -> None:
    other = Lab(f"test-{os.getpid()}-b", agents=2, quiet=True)
    try:
        second = other.up()
        ports = {info.sip_port, info.ami.port, second.sip_port, second.ami.port}
        assert len(ports) == 4
        assert answered(info)
        assert answered(second)
        assert "2001" in other.cli("pjsip show endpoints")
        assert other.status() == lab.status() == "running"
        run = other.folders.run
        assert other.down()
        assert processes_of(other) == []
        assert not (run / "asterisk.ctl").exists()
        assert lab.status() == "running"
        with pytest.raises(LabError, match="not running"):
            other.info()
    finally:
        other.remove()


def test_up_again_changes_nothing_and_other_options_start_anew(tmp_path: Path) -> None:
    name = f"test-{os.getpid()}-again"
    lab = Lab(name, agents=2, quiet=True)
    try:
        first = lab_or_skip(lab)
        assert Lab(name, agents=2, quiet=True).up() == first
        second = Lab(name, agents=3, quiet=True).up()
        assert second.pid != first.pid
        assert start_time(first.pid) is None
        assert {p.user for p in second.phones} - {p.user for p in first.phones} == {"1003"}
    finally:
        lab.remove()
    assert processes_of(lab) == []


def test_after_a_kill_it_comes_up_again() -> None:
    lab = Lab(f"test-{os.getpid()}-kill", agents=2, quiet=True)
    try:
        info = lab_or_skip(lab)
        os.kill(info.pid, signal.SIGKILL)
        assert wait_gone(info.pid, 20)
        assert lab.status() == "dead"
        assert (lab.folders.run / "asterisk.ctl").exists(), "the stale socket is there"
        assert answered(lab.up())
    finally:
        lab.remove()


def test_a_start_that_was_killed_leaves_no_second_process() -> None:
    """`up` dies at any moment; the next one ends what it had started."""
    name = f"test-{os.getpid()}-cut"
    lab = Lab(name, agents=2, quiet=True)
    try:
        lab_or_skip(lab)
        lab.down()
        for patience_s in (0.12, 0.2, 0.3):
            parent = subprocess.Popen(
                [sys.executable, "-m", "sim.lab", "up", "--name", name, "--agents", "2"],
                cwd=REPOSITORY, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                parent.wait(patience_s)
            except subprocess.TimeoutExpired:
                parent.kill()
                parent.wait()
            info = lab.up()
            assert processes_of(lab) == [info.pid]
            lab.down()
            assert processes_of(lab) == []
    finally:
        lab.remove()


def test_a_deep_folder_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 70) / ("e" * 70)
    deep.mkdir(parents=True)
    store = default_base_dir()
    if (store / "root").exists():
        (deep / "root").symlink_to(store / "root")
    lab = Lab("deep", base_dir=deep, agents=1, quiet=True)
    try:
        lab_or_skip(lab)
        assert len(str(lab.folders.base / "run")) > LONGEST_RUN_DIR
        assert "uptime" in lab.cli("core show uptime").lower()
    finally:
        lab.remove()
    assert not lab.folders.run.exists()


def test_a_taken_port_is_said_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        lab = Lab(f"test-{os.getpid()}-port", ports=Ports(ami=port), quiet=True)
        try:
            with pytest.raises(LabError, match=f"port {port}"):
                lab.up()
            assert processes_of(lab) == []
        finally:
            lab.remove()


def test_secrets_are_readable_by_the_owner_alone(lab: Lab) -> None:
    for path in [*lab.folders.etc.iterdir(), lab.folders.base / "info.json"]:
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_everything_is_bound_to_loopback(info: LabInfo) -> None:
    listing = subprocess.run(["ss", "-Hlntup"], capture_output=True, text=True, check=True).stdout
    mine = [line.split() for line in listing.splitlines() if f"pid={info.pid}," in line]
    open_to_all = [fields for fields in mine if not fields[4].startswith("127.")]
    assert len(mine) - len(open_to_all) >= 4, "SIP twice, AMI, HTTP"
    # pjproject's DNS client keeps one UDP socket of each family; it takes answers only
    assert [fields[0] for fields in open_to_all] in ([], ["udp"], ["udp", "udp"]), open_to_all


def test_all_wanted_modules_run(lab: Lab) -> None:
    log = (lab.folders.log / "console.log").read_text(errors="replace")
    assert "Error loading module" not in log
    assert "declined to load" not in log
