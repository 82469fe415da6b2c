"""Changing the routing configuration over HTTP: checked, versioned, in force, or nothing at all."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from crmcore import audit as trail
from crmcore.access import SYSTEM
from ctid.clock import SystemClock
from ctid.pump import Pump
from ctid.queues_desk import QueuesDesk
from ctid.queues_file import LoadedQueues, load, version_of
from ctid.queues_store import QueuesStore
from routing.commands import Command
from routing.engine import Engine
from routing.views import Changes

pytestmark = pytest.mark.daemon

SAMPLE = Path(__file__).parents[3] / "config" / "queues.toml"


class NoJournal:
    def append(self, **entry: Any) -> None:
        pass


class Floor:
    """The production engine on a copy of the sample file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "queues.toml"
        shutil.copy(SAMPLE, self.path)
        clock = SystemClock()
        self.engine = Engine(load(self.path, clock.wall().date()).config)
        self.announced: list[LoadedQueues] = []
        pump = Pump(
            engine=self.engine,
            journal=NoJournal(),
            clock=clock,
            execute=self._execute,
            publish=self._publish,
        )
        self.submit = pump.submit
        self.desk = QueuesDesk(
            QueuesStore(self.path), self._submit, clock, on_change=self.announced.append
        )

    async def _submit(self, fact: Any) -> Any:
        return await self.submit(fact)

    def _execute(self, commands: Sequence[Command], cause: int) -> None:
        pass

    def _publish(self, changes: Changes) -> None:
        pass

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def names(self) -> dict[str, str]:
        return {q.id: q.name for q in self.engine.config.queues}


@pytest.fixture
def floor(tmp_path: Path) -> Floor:
    return Floor(tmp_path)


@pytest.fixture
async def admin(floor: Floor, make_site: Any, log_in: Any) -> Any:
    site = await make_site(queues=floor.desk)
    client = await log_in("root", site.api)
    client.site = site
    return client


def renamed(text: str, name: str) -> str:
    """The first queue of the sample under another name."""
    before, marker, after = text.partition("[queues.")
    head, equals, rest = after.partition("name = ")
    return before + marker + head + equals + f'"{name}"\n' + rest.partition("\n")[2]


async def test_a_change_is_in_force_at_once_and_kept(floor: Floor, admin: Any) -> None:
    before = await admin.get("/config/queues")
    assert before["text"] == floor.text
    old_names = floor.names
    text = renamed(floor.text, "改名热线")
    body = {"text": text, "expected": before["version"]}
    status, answer, _ = await admin.call("PUT", "/config/queues", body)
    assert status == 200, answer
    assert answer["version"] == version_of(text)
    assert floor.text == text  # comments and all
    assert "改名热线" in floor.names.values()
    assert [one.version for one in floor.announced] == [answer["version"]]
    kept = await admin.get("/config/queues/versions")
    assert [(v["version"], v["by"]) for v in kept["items"]] == [
        (answer["version"], "root"),
        (before["version"], "file"),
    ]
    entries = await admin.site.store.read(trail.entries, SYSTEM, username="root")
    assert entries[0]["action"] == "replace"
    # and back again
    old = await admin.get(f"/config/queues/versions/{before['version']}")
    status, _, _ = await admin.call("PUT", "/config/queues", {"text": old["text"]})
    assert status == 200
    assert floor.names == old_names
    assert (await admin.call("GET", "/config/queues/versions/0123456789abcdef"))[0] == 404


async def test_a_version_that_was_not_read_is_a_conflict(floor: Floor, admin: Any) -> None:
    text = floor.text
    body = {"text": renamed(text, "x"), "expected": "0123456789abcdef"}
    status, problem, _ = await admin.call("PUT", "/config/queues", body)
    assert (status, problem["code"]) == (409, "conflict")
    assert floor.text == text


@pytest.mark.parametrize("wrong", ["= [", 'nonsense = "x"', "[queues.x]\nstrategie = 1", "\x00"])
async def test_a_wrong_text_changes_nothing_and_names_its_lines(
    floor: Floor, admin: Any, wrong: str
) -> None:
    text, names = floor.text, floor.names
    bad = wrong + "\n" + text
    status, problem, _ = await admin.call("PUT", "/config/queues", {"text": bad})
    assert (status, problem["code"]) == (422, "invalid")
    assert all(e["detail"] and "line" in e for e in problem["errors"])
    status, found, _ = await admin.call("POST", "/config/queues/check", {"text": bad})
    assert status == 200
    assert found["version"] is None
    assert any(not f["warning"] for f in found["findings"])
    assert (floor.text, floor.names) == (text, names)


async def test_what_the_engine_refuses_is_taken_back(floor: Floor, admin: Any) -> None:
    text = floor.text

    async def refuse(fact: Any) -> Any:
        return type("Receipt", (), {"accepted": False, "reason": "a queue has callers"})

    floor.submit = refuse  # type: ignore[assignment]
    body = {"text": renamed(text, "x")}
    status, problem, _ = await admin.call("PUT", "/config/queues", body)
    assert (status, problem["code"], problem["detail"]) == (
        409,
        "refused",
        "a queue has callers",
    )
    assert floor.text == text
    assert floor.announced == []


async def test_changes_at_the_same_moment_come_one_after_the_other(
    floor: Floor, admin: Any
) -> None:
    version = (await admin.get("/config/queues"))["version"]
    answers = await asyncio.gather(
        *(
            admin.call(
                "PUT",
                "/config/queues",
                {"text": renamed(floor.text, f"n{n}"), "expected": version},
            )
            for n in range(4)
        )
    )
    assert sorted(status for status, _, _ in answers) == [200, 409, 409, 409]
    assert len(floor.announced) == 1


async def test_a_text_or_data_but_not_both(admin: Any) -> None:
    for body in ({}, {"text": "", "data": {}}):
        assert (await admin.call("PUT", "/config/queues", body))[0] == 422


async def test_who_may_look_and_who_may_change(floor: Floor, make_site: Any, log_in: Any) -> None:
    site = await make_site(queues=floor.desk)
    text = floor.text
    for user, look, change in (("amy", 403, 403), ("sue", 200, 403), ("vic", 403, 403)):
        client = await log_in(user, site.api)
        assert (await client.call("GET", "/config/queues"))[0] == look
        assert (await client.call("PUT", "/config/queues", {"text": ""}))[0] == change
        assert (await client.call("POST", "/config/queues/check", {"text": ""}))[0] == change
        assert (await client.call("GET", "/config/queues/versions"))[0] == change
        entries = await site.store.read(trail.entries, SYSTEM, username=user)
        assert [e["action"] for e in entries] == ["refused"]
    assert floor.text == text


async def test_without_a_desk_it_is_read_only(log_in: Any) -> None:
    client = await log_in("root")
    assert (await client.get("/config/queues"))["text"] is None
    status, problem, _ = await client.call("PUT", "/config/queues", {"text": ""})
    assert (status, problem["code"]) == (403, "read_only")


async def test_reload_takes_the_file_as_it_stands(floor: Floor) -> None:
    floor.path.write_text(renamed(floor.text, "新名"), "utf-8")
    loaded = await floor.desk.reload()
    assert loaded.version == version_of(floor.text)
    assert "新名" in floor.names.values()
