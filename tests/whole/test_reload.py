"""A new configuration under live calls: by the API and by SIGHUP, and nobody notices."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from sim.house import HouseError
from tests.whole.stage import Plan, Stage
from tests.whole.watch import PATIENCE_S, until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

PLAN = Plan()
NEWS = PLAN.line("news", 'name = "新闻热线"  # 值班')
NEW_DID, NEWER_DID = PLAN.number(), PLAN.number()

KEPT = ("id", "state", "agent", "queue", "position", "arrived_at", "queued_at", "answered_at")


def with_queue(text: str, queue: str, did: str) -> str:
    """A further queue with a number, served by the agent of the news."""
    return (
        text.replace("queues = [", f'queues = ["{queue}", ')
        + f'\n[queues.{queue}]\nring_timeout_s = 7\n[[entries]]\ndid = "{did}"\nqueue = "{queue}"\n'
    )


async def picture(stage: Stage) -> dict[str, dict[str, Any]]:
    items = (await stage.admin.get("/interactions"))["items"]
    return {i["caller"]["number"]: {key: i[key] for key in KEPT} for i in items}


async def test_live_calls_go_on_untouched(stage: Stage) -> None:
    await stage.available(*NEWS.phones)
    talking, waiting = stage.call(NEWS.did), stage.call(NEWS.did)
    await until(
        stage.admin,
        "/interactions",
        lambda items: sorted(i["state"] for i in items) == ["talking", "waiting"],
    )
    before = await picture(stage)
    if before[talking.number]["state"] == "waiting":
        talking, waiting = waiting, talking
    rung = len(stage.phones.invites)
    read = await stage.admin.get("/config/queues")

    # by the API
    text = with_queue(read["text"], "evening", NEW_DID)
    await stage.admin.put("/config/queues", {"text": text, "expected": read["version"]})
    assert await picture(stage) == before
    assert "# 值班" in (await stage.admin.get("/config/queues"))["text"], "comments are kept"

    # what is wrong, or was read before somebody else's change, changes nothing
    for wrong in (
        {"text": text.replace('queue = "evening"', 'queue = "evenin"')},
        {"text": text, "expected": read["version"]},
    ):
        with pytest.raises(HouseError):
            await stage.admin.put("/config/queues", wrong)
    assert await picture(stage) == before

    # by hand and SIGHUP
    path = stage.house.folder / "queues.toml"
    path.write_text(with_queue(path.read_text("utf-8"), "night", NEWER_DID), "utf-8")
    assert stage.house.daemon is not None
    stage.house.daemon.send_signal(signal.SIGHUP)
    await until(stage.admin, "/queues", lambda items: "night" in {q["id"] for q in items})
    assert await picture(stage) == before

    # nobody rang or was hung up on, the talk ends as it would have, the next is served
    assert len(stage.phones.invites) == rung
    assert not talking.ended.is_set()
    assert not waiting.ended.is_set()
    stage.callers.hangup(talking)
    served = await stage.waiting(waiting, "talking")
    assert served["id"] == before[waiting.number]["id"]
    stage.callers.hangup(waiting)
    await stage.nobody_left()
    # and the new numbers lead to the same agent
    for did in (NEW_DID, NEWER_DID):
        assert await stage.talk(did) == NEWS.phones[0]
    assert (await stage.record(talking.number))["outcome"] == "answered"


async def test_a_wrong_file_keeps_the_configuration_in_force(stage: Stage) -> None:
    path = stage.house.folder / "queues.toml"
    good = path.read_text("utf-8")
    version = (await stage.admin.get("/config/queues"))["version"]
    path.write_text(good.replace("ring_timeout_s", "ring_timeot_s"), "utf-8")
    assert stage.house.daemon is not None
    stage.house.daemon.send_signal(signal.SIGHUP)
    async with asyncio.timeout(PATIENCE_S):
        # a refusal is told to nobody outside of the daemon but in its log
        while "reload_refused" not in stage.house.log_path.read_text("utf-8"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await stage.available(*NEWS.phones)
    assert await stage.talk(NEWS.did) == NEWS.phones[0]
    assert "ring_timeout_s" in stage.house.log_tail(200), "the nearest match is named"
    path.write_text(good, "utf-8")
    assert (await stage.admin.get("/config/queues"))["version"] == version
