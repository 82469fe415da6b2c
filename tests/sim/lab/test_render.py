"""Samples become an instance's files by rewriting values that must be there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from sim.lab import LabError, LabInfo
from sim.lab.info import AmiInfo, PhoneInfo
from sim.lab.lab import LONGEST_RUN_DIR, Lab
from sim.lab.options import SAMPLES, Options, make_phones
from sim.lab.progress import Progress
from sim.lab.render import Phone, phones_conf, rewrite

REPOSITORY = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.unit


def test_rewrite_changes_only_the_named_value() -> None:
    text = "[a]\nport = 1 ; old\n[b]\nport=2\nx => 3\n"
    assert rewrite(text, {("b", "port"): "9"}) == "[a]\nport = 1 ; old\n[b]\nport = 9\nx => 3\n"


def test_rewrite_refuses_what_is_not_in_the_sample() -> None:
    with pytest.raises(KeyError, match="secret"):
        rewrite("[a]\nport = 1\n", {("a", "secret"): "x"})


def test_rewrite_refuses_line_breaks() -> None:
    with pytest.raises(ValueError, match="control"):
        rewrite("[a]\nport = 1\n", {("a", "port"): "1\nwrite = all"})


def test_the_sample_account_has_no_dangerous_right() -> None:
    lines = (SAMPLES / "manager.conf").read_text().splitlines()
    writes = [line.partition("=")[2] for line in lines if line.startswith("write =")]
    assert len(writes) == 1
    rights = {right.strip() for right in writes[0].split(",")}
    assert not rights & {"system", "command", "config", "all", "dialplan", "agi", "security"}


def test_samples_name_nothing_of_this_machine() -> None:
    for path in SAMPLES.iterdir():
        text = path.read_text(encoding="utf-8")
        assert str(REPOSITORY) not in text, path.name
        assert "/home/" not in text, path.name


def test_a_static_phone_has_no_password_and_others_have_their_own() -> None:
    phones = make_phones(
        Options(agents=3, static_phones={"1002": "sip:1002@127.0.0.3:5072", "3001": "sip:x@y"})
    )
    by_user = {phone.user: phone for phone in phones}
    assert by_user["1002"].password == ""
    assert by_user["3001"].kind == "agent"
    secrets = [phone.password for phone in phones if phone.password]
    assert len(set(secrets)) == len(secrets) == 2 + 4 + 4
    text = phones_conf(phones, 15)
    assert "[1002](static-phone)" in text
    assert "[1001](phone)" in text
    assert "[2001](webrtc-phone)" in text


def test_more_than_99_agents_do_not_collide_with_supervisors() -> None:
    users = [phone.user for phone in make_phones(Options(agents=150))]
    assert len(set(users)) == len(users)


def test_info_survives_json() -> None:
    info = LabInfo(
        name="n", pid=1, pid_started=2, version="22", base_dir="b", etc_dir="e", log_dir="l",
        spool_dir="s", recordings_dir="r", notes_dir="n", sounds_dir="s", config_file="c",
        ami=AmiInfo(host="h", port=1, username="u", secret="王"), sip_host="h", sip_port=2,
        ws_url="ws", agi_host="h", agi_port=3, rtp_ports=(4, 5), trunk_source="t", trunk_host="t",
        trunk_port=6, phones=(PhoneInfo(user="1", kind="agent", name="n", interface="PJSIP/1"),),
        numbers={"echo": "1"},
    )  # fmt: skip
    assert LabInfo.from_json(info.to_json()) == info


@pytest.mark.parametrize("name", ["", "../x", "a b", "root", "prompts", "x" * 60, "-a"])
def test_names_that_would_leave_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(LabError):
        Lab(name, base_dir=tmp_path)


def test_a_deep_folder_gets_a_short_folder_for_the_control_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    lab = Lab("x", base_dir=deep)
    assert len(str(lab.folders.run)) <= LONGEST_RUN_DIR
    assert Lab("y", base_dir=deep).folders.run != lab.folders.run
    assert Lab("x", base_dir="/s").folders.run == Path("/s/x/run")


def test_progress_outside_a_terminal_has_no_control_characters() -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress.step("one")
    progress.update(0.5)
    progress.step("two")
    progress.note("done")
    assert out.getvalue() == "one ...\ntwo ...\ndone\n"


def test_a_phone_knows_its_interface() -> None:
    assert Phone(user="1001", kind="agent", name="x").interface == "PJSIP/1001"
