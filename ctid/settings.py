"""The daemon's own settings: ``ctid.toml``. Routing has its own file, ``queues.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ctid import toml_file
from ctid.toml_file import ConfigFileError, Problem
from routing.control_facts import PhoneAct

Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AmiSection(_Section):
    """The manager interface of the PBX."""

    host: str = "127.0.0.1"
    port: Port = 5038
    username: str = "ctid"
    secret: str = ""
    secret_file: Path | None = None


class AgiSection(_Section):
    """Where ctid waits for the dialplan's ``AGI(agi://...)``."""

    host: str = "127.0.0.1"
    port: Port = 4573
    allow: list[str] = ["127.0.0.0/8", "::1/128"]


FeatureCode = Annotated[str, Field(pattern=r"^(\*[0-9]{1,3})?$")]


class FeatureCodesSection(_Section):
    """What agents key in at the phone during a conversation; an empty code does nothing.

    After ``transfer`` and ``consult`` comes the number, and then ``#``.
    """

    transfer: FeatureCode = ""
    consult: FeatureCode = ""
    swap: FeatureCode = ""
    complete: FeatureCode = ""
    conference: FeatureCode = ""
    cancel: FeatureCode = ""
    hold: FeatureCode = ""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        codes = self.in_use()
        for act, code in codes.items():
            for other, longer in codes.items():
                if act is not other and longer.startswith(code):
                    raise ValueError(
                        f"{act} = {code!r} is the beginning of {other} = {longer!r}: "
                        "nobody could key in the longer one"
                    )
        return self

    def in_use(self) -> dict[PhoneAct, str]:
        """The codes that do something."""
        return {act: code for act in PhoneAct if (code := getattr(self, act))}


class AsteriskSection(_Section):
    """The Asterisk that ctid works with."""

    ami: AmiSection = AmiSection()
    agi: AgiSection = AgiSection()
    spool_dir: Path = Path("/var/spool/ctid/missed")
    trunk: str = "trunk"
    feature_codes: FeatureCodesSection = FeatureCodesSection()


class HttpSection(_Section):
    """The API and the browser client."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    session_ttl_s: Annotated[float, Field(gt=0)] = 12 * 3600.0
    cookie_secure: bool = False
    client_dir: Path | None = None


class StoreSection(_Section):
    """The SQLite store. The journal is kept for ``journal_days``; 0: for ever."""

    path: Path = Path("/var/lib/ctid/ctid.db")
    backup_dir: Path | None = None
    journal_days: Annotated[int, Field(ge=0, le=36500)] = 180


class RecordingsSection(_Section):
    """Recordings: the PBX writes into ``intake_dir``, ctid keeps in ``library_dir``."""

    intake_dir: Path = Path("/var/spool/asterisk/monitor")
    library_dir: Path = Path("/var/lib/ctid/recordings")


class LogSection(_Section):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    style: Literal["auto", "json", "console"] = "auto"


class Settings(_Section):
    """Everything in ``ctid.toml``. Relative paths are relative to the file."""

    queues_file: Path = Path("queues.toml")
    region: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "CN"
    area: Annotated[str, Field(pattern="^[1-9]?[0-9]{0,4}$")] = ""
    stop_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 25.0
    asterisk: AsteriskSection = AsteriskSection()
    http: HttpSection = HttpSection()
    store: StoreSection = StoreSection()
    recordings: RecordingsSection = RecordingsSection()
    log: LogSection = LogSection()


def load(path: Path) -> Settings:
    """Read ``ctid.toml``. Raises ConfigFileError with every mistake at once."""
    settings = toml_file.load(path, Settings)
    base = path.resolve().parent

    def near(p: Path) -> Path:
        return p if p.is_absolute() else base / p

    ami = settings.asterisk.ami
    if ami.secret_file is not None:
        secret_file = near(ami.secret_file)
        try:
            secret = secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problem = Problem(
                file=str(path),
                line=0,
                key="asterisk.ami.secret_file",
                message=f"cannot read {secret_file}: {error}",
                hint="make it readable for the user that runs ctid",
            )
            raise ConfigFileError([problem]) from error
        ami = ami.model_copy(update={"secret": secret, "secret_file": secret_file})
    http = settings.http
    if http.client_dir is not None:
        http = http.model_copy(update={"client_dir": near(http.client_dir)})
    store = settings.store.model_copy(
        update={
            "path": near(settings.store.path),
            "backup_dir": near(settings.store.backup_dir or settings.store.path.parent / "backup"),
        }
    )
    recordings = settings.recordings.model_copy(
        update={
            "intake_dir": near(settings.recordings.intake_dir),
            "library_dir": near(settings.recordings.library_dir),
        }
    )
    asterisk = settings.asterisk.model_copy(
        update={"ami": ami, "spool_dir": near(settings.asterisk.spool_dir)}
    )
    return settings.model_copy(
        update={
            "queues_file": near(settings.queues_file),
            "asterisk": asterisk,
            "http": http,
            "store": store,
            "recordings": recordings,
        }
    )
