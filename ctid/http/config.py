"""The routing configuration: what clients need of it, and its change by administrators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from crmcore import dictionaries
from crmcore.access import SYSTEM
from ctid.access import Action
from ctid.http.agents import known_phones
from ctid.http.audit import audit
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import FieldError, Problem, invalid
from ctid.http.models import (
    QueuesChangeBody,
    QueuesCheckBody,
    QueuesConfig,
    QueuesFindings,
    QueuesText,
    QueuesVersions,
    UiConfig,
)
from ctid.queues_desk import QueuesDesk, Refused
from ctid.queues_store import UnknownVersion, VersionConflict
from ctid.toml_file import ConfigFileError
from ctid.toml_file import Problem as Found
from routing.model import Disposition, PauseReason


async def ui(call: Call) -> Result:
    """The choices that a client offers, and the names of those that it no longer offers.

    The routing configuration says which codes there are; the dictionary, where it has the code,
    its names, its place, and whether it is retired.
    """
    config = call.services.engine.config
    reasons = {one.id: one for one in config.pause_reasons}
    dispositions = {one.id: one for one in config.dispositions}
    entries = await call.services.store.read(dictionaries.entries, SYSTEM, inactive=True)
    return {
        "pause_reasons": list(_choices("pause_reason", reasons, entries)),
        "dispositions": [
            {
                **choice,
                "queues": [q.id for q in config.queues if choice["code"] in q.dispositions],
                "needs_notes": choice["code"] in dispositions
                and dispositions[choice["code"]].needs_notes,
            }
            for choice in _choices("disposition", dispositions, entries)
        ],
        "phones": list(known_phones(config)),
    }


def _choices(
    kind: str,
    configured: Mapping[str, PauseReason | Disposition],
    entries: Iterable[Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    kept = {one["code"]: one for one in entries if one["kind"] == kind}
    for code in [*kept, *(code for code in configured if code not in kept)]:
        entry, own = kept.get(code), configured.get(code)
        name = own.name if own is not None and own.name else code
        yield {
            "code": code,
            "name": entry["label_en"] if entry else name,
            "name_zh": entry["label_zh"] if entry else name,
            "offered": own is not None and (entry is None or entry["active"]),
        }


async def queues(call: Call) -> Result:
    """What the engine works by now, and the file as it stands."""
    text = version = None
    if call.services.queues is not None:
        text, version = await call.services.queues.read()
    return {"config": call.services.engine.config.to_data(), "text": text, "version": version}


async def check(call: Call) -> Result:
    """A dry run: everything that is wrong or doubtful, with lines."""
    loaded, found = await _desk(call).check(call.body(QueuesCheckBody).text)
    return {
        "version": loaded.version if loaded is not None else None,
        "findings": _findings(found),
    }


async def replace(call: Call) -> Result:
    """Check, write and put in force, or change nothing. Live calls go on untouched."""
    body = call.body(QueuesChangeBody)
    desk = _desk(call)
    if (body.text is None) == (body.data is None):
        raise invalid("body.text", "exclusive", "send either `text` or `data`")
    try:
        text = body.text if body.text is not None else await desk.merged(body.data or {})
        loaded = await desk.replace(text, by=call.viewer.username, expected=body.expected)
    except ConfigFileError as error:
        raise Problem("invalid", str(error.problems[0]), _errors(error.problems)) from None
    except VersionConflict as error:
        raise Problem("conflict", str(error)) from None
    except Refused as error:
        raise Problem("refused", str(error)) from None
    await audit(call, "replace", "config", "queues", {"version": loaded.version})
    _, found = await desk.check(text)
    return {"version": loaded.version, "findings": _findings(found)}


async def versions(call: Call) -> Result:
    """Earlier texts."""
    kept = await _desk(call).versions()
    items = [{"version": v.version, "saved_at": v.saved_at, "by": v.by} for v in kept]
    return {"items": items, "next": None}


async def version(call: Call) -> Result:
    """One earlier text; to roll back, put it in force again."""
    name = call.path_id()
    try:
        text = await _desk(call).version(name)
    except UnknownVersion:
        raise Problem("not_found", f"Version {name!r} is not kept") from None
    return {"version": name, "text": text}


def _desk(call: Call) -> QueuesDesk:
    if call.services.queues is None:
        raise Problem("read_only")
    return call.services.queues


def _findings(found: Iterable[Found]) -> list[dict[str, object]]:
    return [
        {
            "line": p.line,
            "key": p.key,
            "message": p.message,
            "hint": p.hint,
            "warning": p.warning,
        }
        for p in found
    ]


def _errors(found: Iterable[Found]) -> list[FieldError]:
    return [
        FieldError(p.key, "config", f"{p.message}; {p.hint}" if p.hint else p.message, line=p.line)
        for p in found
    ]


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/config/ui",
        summary="Pause reasons, dispositions and phones",
        handler=ui,
        action=Action.CONFIG_UI,
        answer=UiConfig,
    ),
    Endpoint(
        method="GET",
        path="/config/queues",
        summary="The routing configuration in force",
        handler=queues,
        action=Action.CONFIG_QUEUES_VIEW,
        answer=QueuesConfig,
    ),
    Endpoint(
        method="PUT",
        path="/config/queues",
        summary="Replace the routing configuration: whole, checked, versioned",
        handler=replace,
        action=Action.CONFIG_QUEUES_CHANGE,
        body=QueuesChangeBody,
        answer=QueuesFindings,
        problems=("read_only", "conflict", "refused"),
        replay=True,
        audited=True,
    ),
    Endpoint(
        method="POST",
        path="/config/queues/check",
        summary="Check a routing configuration without changing anything",
        handler=check,
        action=Action.CONFIG_QUEUES_CHANGE,
        body=QueuesCheckBody,
        answer=QueuesFindings,
        problems=("read_only",),
    ),
    Endpoint(
        method="GET",
        path="/config/queues/versions",
        summary="Earlier routing configurations",
        handler=versions,
        action=Action.CONFIG_QUEUES_CHANGE,
        answer=QueuesVersions,
        problems=("read_only",),
    ),
    Endpoint(
        method="GET",
        path="/config/queues/versions/{id}",
        summary="One earlier routing configuration",
        handler=version,
        action=Action.CONFIG_QUEUES_CHANGE,
        answer=QueuesText,
        problems=("read_only", "not_found"),
    ),
)
