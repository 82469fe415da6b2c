"""Who may supervise, take over, release and control what; every try is in the audit trail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crmcore import audit as trail
from crmcore.access import SYSTEM
from routing.control_facts import (
    AgentReleaseRequested,
    AnswerRequested,
    ConsultAsked,
    ConsultRequested,
    DigitsRequested,
    HangUpRequested,
    HoldRequested,
    InterceptRequested,
    MuteRequested,
    RecordingRequested,
    SuperviseMode,
    SuperviseModeRequested,
    SuperviseRequested,
    SuperviseStopRequested,
    TransferRequested,
)
from routing.ids import AgentId, PhoneId, QueueId, SupervisionId
from routing.model import RecordingPolicy
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
    "consult": ("POST", "/consult", {"kind": "number", "to": "139"}, ConsultRequested),
    "consult on": ("PATCH", "/consult", {"ask": "swap"}, ConsultAsked),
    "conference": ("POST", "/conference", {"kind": "agent", "to": "1002"}, ConsultRequested),
    "mute": ("POST", "/mute", None, MuteRequested),
    "unmute": ("POST", "/unmute", None, MuteRequested),
    "digits": ("POST", "/dtmf", {"digits": "12#"}, DigitsRequested),
    "start": ("POST", "/recording", {"action": "start"}, RecordingRequested),
    "suspend": ("POST", "/recording", {"action": "suspend", "reason": "卡号"}, RecordingRequested),
    "resume": ("POST", "/recording", {"action": "resume"}, RecordingRequested),
}
SUPERVISING = {"supervise", "change", "stop", "intercept", "release"}
OWN = ACTIONS.keys() - SUPERVISING
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
        ("/dtmf", {"digits": "12x"}),
        ("/dtmf", {}),
        ("/recording", {"action": "pause"}),
        ("/conference", {"kind": "queue", "to": "ads"}),
        ("/conference", {"kind": "number", "to": "1&2"}),
    ],
)
async def test_wrong_bodies_are_422(site: Any, log_in: Any, path: str, body: Any) -> None:
    arrive(site)
    client = await log_in("sue")
    status, problem, _ = await client.call("POST", f"/interactions/mine{path}", body)
    assert (status, problem["code"]) == (422, "invalid"), problem
    assert site.board.facts == []


# --- what is not alike for everybody -------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "policy", "stopped"),
    [
        ("amy", RecordingPolicy.ALWAYS, False),
        ("amy", RecordingPolicy.ON_DEMAND, True),
        ("sue", RecordingPolicy.ALWAYS, True),
        ("root", RecordingPolicy.ALWAYS, True),
    ],
)
async def test_agents_stop_only_what_is_recorded_on_demand(
    site: Any, log_in: Any, user: str, policy: RecordingPolicy, stopped: bool
) -> None:
    arrive(site)
    config = site.board.config
    site.board.config = replace(
        config, queues=tuple(replace(q, recording=policy) for q in config.queues)
    )
    client = await log_in(user)
    body = {"action": "stop", "reason": "投诉"}
    status, answer, _ = await client.call("POST", "/interactions/mine/recording", body)
    entries = await site.store.read(trail.entries, SYSTEM, username=user)
    entry = max(entries, key=lambda e: e["id"])
    assert entry["entity_id"] == "mine"
    if stopped:
        assert status == 200
        assert (entry["action"], entry["after"]["reason"]) == ("recording_stop", "投诉")
    else:
        assert (status, answer["code"]) == (403, "forbidden")
        assert entry["action"] == "refused"


@pytest.mark.parametrize(
    ("user", "status"),
    [("amy", 200), ("bob", 403), ("sue", 200), ("root", 200), ("vic", 403)],
)
async def test_who_may_answer_the_phone_that_rings(
    site: Any, log_in: Any, user: str, status: int
) -> None:
    site.board.arrive("mine")
    view = site.board.live["mine"]
    site.board.live["mine"] = replace(view, agent=None, ringing_agents=(AgentId("1001"),))
    client = await log_in(user)
    got, answer, _ = await client.call("POST", "/interactions/mine/answer")
    assert got == status, answer
    facts = [f for f in site.board.facts if isinstance(f, AnswerRequested)]
    assert [f.agent for f in facts] == ([AgentId("1001")] if status == 200 else [])


async def test_where_nothing_rings_there_is_nothing_to_answer(site: Any, log_in: Any) -> None:
    arrive(site)
    for user in ("amy", "sue"):
        client = await log_in(user)
        status, problem, _ = await client.call("POST", "/interactions/mine/answer")
        assert (status, problem["code"]) == (409, "refused")


async def test_digits_are_no_secret_that_the_audit_trail_keeps(site: Any, log_in: Any) -> None:
    arrive(site)
    client = await log_in("amy")
    status, _, _ = await client.call("POST", "/interactions/mine/dtmf", {"digits": "6225#"})
    assert status == 204
    [entry] = [
        e
        for e in await site.store.read(trail.entries, SYSTEM, username="amy")
        if e["action"] == "dtmf"
    ]
    assert entry["after"] == {"agent": "1001", "digits": 5, "outcome": "done"}


@pytest.mark.parametrize("refused", ["", "agent 1002 sits at phone 1001"])
async def test_what_supervisors_do_to_agents_is_audited_with_why_and_outcome(
    site: Any, log_in: Any, refused: str
) -> None:
    site.board.refuse_with = refused
    client = await log_in("sue")
    body = {"status": "logged_out", "why": "人不在"}
    status, _, _ = await client.call("PUT", "/agents/1001/status", body)
    assert status == (409 if refused else 200)
    [entry] = [
        e
        for e in await site.store.read(trail.entries, SYSTEM, username="sue")
        if e["action"] == "set_status"
    ]
    assert (entry["entity_id"], entry["after"]["why"]) == ("1001", "人不在")
    assert entry["after"]["outcome"] == ("refused" if refused else "done")
    assert entry["after"].get("why_not", "") == refused


async def test_another_teams_agent_is_not_forced_and_the_try_is_audited(
    site: Any, log_in: Any
) -> None:
    client = await log_in("sue")
    status, problem, _ = await client.call("PUT", "/agents/2001/status", {"status": "logged_out"})
    assert (status, problem["code"]) == (403, "forbidden")
    entries = await site.store.read(trail.entries, SYSTEM, username="sue")
    assert [e["action"] for e in entries if e["entity_id"] == "2001"] == ["refused"]
