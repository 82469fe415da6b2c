"""ctid.toml: the sample is valid, mistakes name file, line and key, secrets stay hidden."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctid import settings
from ctid.cli import main
from ctid.toml_file import ConfigFileError
from routing.control_facts import PhoneAct

pytestmark = pytest.mark.unit

SAMPLE = Path(__file__).parents[2] / "config" / "ctid.toml"


def test_the_sample_says_what_the_defaults_are(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8").replace(
        'secret_file = "/etc/ctid/ami-secret"', 'secret = ""'
    )
    (tmp_path / "ctid.toml").write_text(text, encoding="utf-8")
    (tmp_path / "empty.toml").write_text("", encoding="utf-8")
    assert settings.load(tmp_path / "ctid.toml") == settings.load(tmp_path / "empty.toml")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ctid.toml"
    path.write_text('regoin = "CN"\n[http]\nport = 99999\n[log]\nlevel = "loud"\n', "utf-8")
    with pytest.raises(ConfigFileError) as caught:
        settings.load(path)
    told = [str(p) for p in caught.value.problems]
    assert len(told) == 3
    assert any(":1:" in t and "regoin" in t and "region" in t for t in told)
    assert any(":3:" in t and "http.port" in t for t in told)
    assert any(":5:" in t and "log.level" in t for t in told)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ctid.toml"
    path.write_text('[store]\npath = "data/x.db"\n', "utf-8")
    loaded = settings.load(path)
    assert loaded.store.path == tmp_path / "data/x.db"
    assert loaded.queues_file == tmp_path / "queues.toml"


def test_a_missing_secret_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ctid.toml"
    path.write_text('[asterisk.ami]\nsecret_file = "nowhere"\n', "utf-8")
    with pytest.raises(ConfigFileError, match="secret_file"):
        settings.load(path)


def test_print_config_hides_the_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ctid.toml"
    path.write_text('[asterisk.ami]\nsecret = "hunter2"\n', "utf-8")
    assert main(["print-config", "-c", str(path)]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert json.loads(out)["asterisk"]["ami"]["secret"] == "***"


def test_serve_with_a_wrong_file_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ctid.toml"
    path.write_text("htttp = 1\n", "utf-8")
    assert main(["serve", "-c", str(path)]) == 2
    err = capsys.readouterr().err
    assert "htttp" in err
    assert "not started" in err


@pytest.mark.parametrize(
    ("codes", "key", "told"),
    [
        ('swap = "*3"\nhold = "*31"', "feature_codes", "swap"),
        ('swap = "3"', "feature_codes.swap", "pattern"),
        ('swop = "*3"', "feature_codes.swop", "swap"),
    ],
)
def test_feature_codes_that_nobody_could_key_in(
    tmp_path: Path, codes: str, key: str, told: str
) -> None:
    path = tmp_path / "ctid.toml"
    path.write_text(f"[asterisk.feature_codes]\n{codes}\n", "utf-8")
    with pytest.raises(ConfigFileError) as caught:
        settings.load(path)
    [problem] = caught.value.problems
    assert key in problem.key
    assert told in str(problem)


def test_feature_codes_in_use(tmp_path: Path) -> None:
    path = tmp_path / "ctid.toml"
    path.write_text('[asterisk.feature_codes]\ntransfer = "*1"\nhold = "*7"\n', "utf-8")
    codes = settings.load(path).asterisk.feature_codes
    assert codes.in_use() == {PhoneAct.TRANSFER: "*1", PhoneAct.HOLD: "*7"}
