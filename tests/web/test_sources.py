"""The client's sources against the rest: what the server says, and what the lock file must not."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from crmcore import webhooks
from ctid.http.errors import PROBLEMS
from routing import explain
from routing.agent_state import AgentState
from routing.commands import Outcome
from routing.interaction_state import State
from routing.strategies import STRATEGIES

pytestmark = pytest.mark.unit

EXPLAIN = Path(explain.__file__).read_text("utf-8")
ENGAGED = {"reserved", "ringing", "talking", "wrap_up"}  # an engagement's state is a reason, too
WEB = Path(__file__).parents[2] / "web"
TEXTS = {name: (WEB / "src" / "i18n" / name).read_text("utf-8") for name in ("en.ts", "zh-CN.ts")}


#: Shown in the server's own words: what the client never sends, and what people rarely meet.
WORDS_STAY = {"invalid", "config", "cursor", "exclusive", "duplicate", "unexpected"}


def field_codes() -> set[str]:
    """The codes of what can be wrong with a field, as the sources of the server have them."""
    said: set[str] = set()
    for package in ("crmcore", "ctid"):
        for file in (WEB.parent / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    named = node.func.id in ("Wrong", "FieldError", "invalid")
                    code = node.args[1] if named and len(node.args) > 1 else None
                    if isinstance(code, ast.Constant):
                        said.add(str(code.value))
    return said


def family(text: str, name: str) -> set[str]:
    """The keys of one group of texts."""
    start = text.index(f"\n  {name}: {{")
    return set(re.findall(r"\b(\w+): '", text[start : text.index("\n  }", start)]))


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("errors", set(PROBLEMS)),
        ("interactionState", {state.value for state in State}),
        ("agentState", {state.value for state in AgentState} | {"paused", "logged_out"}),
        ("outcome", {outcome.value for outcome in Outcome}),
        ("strategies", set(STRATEGIES)),
        ("explainReason", set(re.findall(r'code="(\w+)"', EXPLAIN)) | ENGAGED),
        ("explainChange", set(re.findall(r'change="(\w+)"', EXPLAIN))),
        ("fieldProblem", field_codes() - WORDS_STAY),
        ("webhookEvent", {event.replace(".", "_") for event in (*webhooks.EVENTS, webhooks.TEST)}),
    ],
)
def test_every_word_of_the_server_has_a_text(language: str, group: str, words: set[str]) -> None:
    assert words - family(TEXTS[language], group) == set()


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    assert len(lock["packages"]) > 50
    assert [name for name, entry in lock["packages"].items() if "resolved" in entry] == []
    assert [n for n, e in lock["packages"].items() if n and not e.get("integrity")] == []
    assert "omit-lockfile-registry-resolved=true" in (WEB / ".npmrc").read_text("utf-8")


def test_nothing_is_loaded_from_elsewhere() -> None:
    allowed = {"http://www.w3.org/2000/svg", "http://127.0.0.1:5199", "http://localhost"}
    for file in [WEB / "index.html", *(WEB / "src").rglob("*"), *(WEB / "public").rglob("*")]:
        if file.is_file():
            found = set(re.findall(r"https?://[\w.:/-]+", file.read_text("utf-8")))
            assert found <= allowed, f"{file.relative_to(WEB)} names {found - allowed}"
