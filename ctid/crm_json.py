"""What the CRM answers, as the JSON that people's clients read: times as ISO 8601, one shape.

Used by the HTTP handlers and by the screen-pops, so that a contact record looks the same wherever
it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crmcore.pop import PopData
from ctid.view_json import iso, row_json

Row = Mapping[str, Any]
NameOf = Callable[[str], str]
NAME_MAX = 200

RECORD_FIELDS = (
    "id",
    "interaction",
    "channel",
    "direction",
    "did",
    "queue",
    "queues",
    "agent",
    "agents",
    "customer",
    "customer_name",
    "outcome",
    "disposition",
    "notes",
    "wait_s",
    "talk_s",
    "wrap_up_s",
    "priority",
    "causes",
    "survey",
    "version",
)
RECORD_TIMES = ("arrived_at", "queued_at", "answered_at", "ended_at", "updated_at")


def contact_record_json(row: Row, name_of: NameOf) -> dict[str, Any]:
    """A row of ``crmcore.contact_records``. ``name_of``: an agent's name by id, or empty."""
    recordings = [
        {
            **{name: one[name] for name in ("id", "state", "duration_s", "bytes", "reason")},
            "gaps": [_gap(gap) for gap in row["recording_gaps"] if gap["recording"] == one["id"]],
        }
        for one in row["recordings"]
    ]
    ready = [one["id"] for one in recordings if one["state"] == "ready"]
    failed = [one["reason"] for one in recordings if one["state"] == "failed"]
    return {
        **{name: row[name] for name in RECORD_FIELDS},
        **{name: iso(row[name]) for name in RECORD_TIMES},
        "caller": {"number": row["caller_number"], "name": row["caller_name"]},
        "agent_name": name_of(row["agent"]) if row["agent"] else "",
        "offers": [_offer(one, name_of) for one in row["offers"]],
        "recording": ready[0] if ready else None,
        "recording_note": "; ".join([*failed, *row["recording_failures"]]),
        "recordings": recordings,
    }


def _gap(one: Row) -> dict[str, Any]:
    return {"by": one["by"], "since_at": iso(one["since_at"]), "until_at": iso(one["until_at"])}


def _offer(one: Row, name_of: NameOf) -> dict[str, Any]:
    return {
        "id": one["offer"],
        "agent": one["agent"],
        "agent_name": name_of(one["agent"]),
        "outcome": one["outcome"],
        "at": iso(one["offered_at"]),
        "ring_s": max(0.0, one["ended_at"] - one["offered_at"]),
    }


def entry_json(entry: Row, name_of: NameOf) -> dict[str, Any]:
    """An entry of ``crmcore.timeline``."""
    out = row_json({k: v for k, v in entry.items() if k not in ("record", "at")})
    out["at"] = iso(entry["at"])
    if "record" in entry:
        out["record"] = contact_record_json(entry["record"], name_of)
    return out


def candidate_json(candidate: Row) -> dict[str, Any]:
    """One candidate of a match: the customer, and how sure it is (``reason`` is a stable code)."""
    return {
        **row_json(candidate["customer"]),
        "known": candidate["level"] == "known",
        "reason": candidate["reason"],
        "chosen": candidate["chosen"],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PopJson:
    """A match as the screen-pop shows it. ``attributes``: as CustomerMatched takes them."""

    customer: dict[str, Any] | None
    candidates: list[dict[str, Any]]
    history: list[dict[str, Any]]
    attributes: Mapping[str, str]

    def best(self) -> tuple[str, str, bool, Mapping[str, str]] | None:
        """``(customer id, name, known, attributes)``; None: nobody has this number.

        Where several may be meant it is the first of them, not known and without attributes, so
        that nothing is decided on a guess.
        """
        if self.customer is not None:
            return self.customer["id"], self.customer["name"][:NAME_MAX], True, self.attributes
        if self.candidates:
            return self.candidates[0]["id"], self.candidates[0]["name"][:NAME_MAX], False, {}
        return None


def pop_json(data: PopData, name_of: NameOf = lambda agent: "") -> PopJson:
    """What ``Store.match`` found, ready to be sent."""
    candidates = [candidate_json(one) for one in data.candidates]
    customer = None
    if data.customer is not None:
        customer = next(
            (one for one in candidates if one["id"] == data.customer["id"]),
            {**row_json(data.customer), "known": True, "reason": "linked", "chosen": True},
        )
    return PopJson(
        customer=customer,
        candidates=candidates,
        history=[contact_record_json(one, name_of) for one in data.history],
        attributes=data.attributes,
    )
