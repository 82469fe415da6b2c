"""Who may supervise, take over, release and control what; every try is in the audit trail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crmcore import audit as trail
from crmcore.access import SYSTEM
from routing.control_facts import (
    AgentReleaseRequested,
    HangUpRequested,
    HoldRequested,
    InterceptRequested,
    SuperviseMode,
    SuperviseModeRequested,
    SuperviseRequested,
    SuperviseStopRequested,
    TransferRequested,
)
from routing.ids import AgentId, PhoneId, QueueId, SupervisionId
from routing.views import SupervisorView

pytestmark = pytest.mark.daemon

PHONE = {"phone": "9001"}
ACTIONS: dict[str, tuple[str, str, Any, type]] = {
    "supervise": ("POST", "/supervise", {"mode": "monitor", **PHONE}, SuperviseRequested),
    "change": ("PATCH", "/supervise", {"mode": "barge"}, SuperviseModeRequested),
    "stop": ("DELETE", "/supervise", None, SuperviseStopRequested),
    "intercept": ("POST", "/intercept", PHONE, InterceptRequested),
    "release": ("POST", "/release", {"what": "agent", "reason": "卡住"}, AgentReleaseRequested),
    "hold": ("POST", "/hold", None, HoldRequested),
    "unhold": ("POST", "/unhold", None, HoldRequested),
    "transfer": ("POST", "/transfer", {"kind": "queue", "to": "ads"}, TransferRequested),
    "hang up": ("POST", "/hang-up", None, HangUpRequested),
}
OWN = {"hold", "unhold", "transfer", "hang up"}
"""What agents may do with their own conversation."""

TABLE = [
    # user   whose      supervising  controlling
    ("amy", "mine", False, True),
    ("amy", "colleague's", False, False),
    ("amy", "blue", False, False),
    ("bob", "mine", False, False),
    ("sue", "mine", True, True),
    ("sue", "colleague's", True, True),
    ("sue", "blue", False, False),
    ("root", "mine", True, True),
    ("root", "blue", True, True),
    ("vic", "mine", False, False),
]


def arrive(site: Any, user: str = "") -> None:
    """Three conversations: of 1001 and 1002 in team red, of 2001 in team blue."""
    site.board.arrive("mine", agent=AgentId("1001"))
    site.board.arrive("colleague's", agent=AgentId("1002"))
    site.board.arrive("blue", QueueId("ads"), agent=AgentId("2001"))
    for name, view in list(site.board.live.items()):
        site.board.live[name] = replace(
            view,
            supervisors=(
                SupervisorView(
                    id=SupervisionId(f"{name}.v1"),
                    by=user,
                    mode=SuperviseMode.MONITOR,
                    phone=PhoneId("9001"),
                    active=True,
                ),
            ),
        )


@pytest.mark.parametrize(("user", "whose", "supervising", "controlling"), TABLE)
async def test_rights_by_role_and_team(
    site: Any, log_in: Any, user: str, whose: str, supervising: bool, controlling: bool
) -> None:
    arrive(site, user)
    client = await log_in(user)
    for action, (method, path, body, fact) in ACTIONS.items():
        site.board.facts.clear()
        status, answer, _ = await client.call(method, f"/interactions/{whose}{path}", body)
        entries = await site.store.read(trail.entries, SYSTEM, username=user)
        entry = max(entries, key=lambda e: e["id"])
        assert entry["entity_id"] == whose, action
        if controlling if action in OWN else supervising:
            assert status in (200, 204), (action, answer)
            assert [type(f) for f in site.board.facts] == [fact]
            assert entry["after"]["outcome"] == "done"
            assert entry["after"]["agent"] == site.board.live[whose].agent
        else:
            assert (status, answer["code"]) == (403, "forbidden"), action
            assert site.board.facts == []
            assert entry["action"] == "refused"


async def test_the_impossible_is_409_and_audited_with_its_reason(site: Any, log_in: Any) -> None:
    arrive(site)
    site.board.refuse_with = "phone 9001 is in use"
    client = await log_in("sue")
    body = {"mode": "whisper", "phone": "9001", "reason": "新人"}
    status, problem, _ = await client.call("POST", "/interactions/mine/supervise", body)
    assert (status, problem["code"], problem["detail"]) == (409, "refused", "phone 9001 is in use")
    [entry] = [
        e
        for e in await site.store.read(trail.entries, SYSTEM, username="sue")
        if e["action"] == "supervise"
    ]
    assert entry["after"] == {
        "agent": "1001",
        "mode": "whisper",
        "phone": "9001",
        "reason": "新人",
        "outcome": "refused",
        "why_not": "phone 9001 is in use",
    }


async def test_who_supervises_nothing_cannot_switch_or_stop(site: Any, log_in: Any) -> None:
    arrive(site, "root")
    client = await log_in("sue")
    for method, body in (("PATCH", {"mode": "barge"}), ("DELETE", None)):
        status, problem, _ = await client.call(method, "/interactions/mine/supervise", body)
        assert (status, problem["code"]) == (409, "refused")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/supervise", {"mode": "shout", **PHONE}),
        ("/supervise", {"mode": "monitor"}),
        ("/intercept", {}),
        ("/transfer", {"kind": "number", "to": "123&Local/x"}),
        ("/transfer", {"kind": "queue", "to": "nowhere"}),
        ("/transfer", {"kind": "friend", "to": "x"}),
        ("/release", {"what": "everything"}),
    ],
)
async def test_wrong_bodies_are_422(site: Any, log_in: Any, path: str, body: Any) -> None:
    arrive(site)
    client = await log_in("sue")
    status, problem, _ = await client.call("POST", f"/interactions/mine{path}", body)
    assert (status, problem["code"]) == (422, "invalid"), problem
    assert site.board.facts == []
