"""Who may do what: role x entity x action -> all, team, own or none; and fields that are masked.

Every function of this package that answers or changes something for a person takes an
:class:`Actor` and asks it. Handlers above have nothing to decide. The matrix below is the default;
rows of the tables ``permissions`` and ``field_masks`` override it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from crmcore import numbers, text
from crmcore.errors import Forbidden, NotFound


class Scope(IntEnum):
    """How far a right reaches."""

    NONE = 0
    OWN = 1
    TEAM = 2
    ALL = 3


ROLES = ("agent", "supervisor", "admin", "viewer")
ACTIONS = ("read", "create", "update", "delete", "export", "merge", "import", "erase")
ENTITIES = (
    "customer",
    "contact_record",
    "recording",
    "callback",
    "task",
    "note",
    "consent",
    "dictionary",
    "view",
    "user",
    "webhook",
    "audit",
    "permission",
    "store",
)
MASKABLE = ("phone", "email", "address", "birthday", "notes")
"""Groups of fields that a role may be shown masked. ``notes`` means numbers within free text."""

_A, _T, _O = Scope.ALL, Scope.TEAM, Scope.OWN
DEFAULT_RIGHTS: dict[str, dict[str, dict[str, Scope]]] = {
    "agent": {
        "customer": {"read": _A, "create": _A, "update": _A},
        "contact_record": {"read": _A, "update": _O},
        "recording": {"read": _O},
        "callback": {"read": _A, "update": _A},
        "task": {"read": _T, "create": _A, "update": _T},
        "note": {"read": _A, "create": _A, "update": _O, "delete": _O},
        "consent": {"read": _A, "create": _A},
        "dictionary": {"read": _A},
        "view": {"read": _A, "create": _A, "update": _O, "delete": _O},
    },
    "supervisor": {
        "customer": dict.fromkeys(("read", "create", "update", "export", "merge", "import"), _A),
        "contact_record": dict.fromkeys(("read", "update", "export"), _A),
        "recording": {"read": _A},
        "callback": dict.fromkeys(("read", "update", "export"), _A),
        "task": dict.fromkeys(("read", "create", "update", "delete"), _A),
        "note": dict.fromkeys(("read", "create", "update", "delete"), _A),
        "consent": {"read": _A, "create": _A},
        "dictionary": {"read": _A, "create": _A, "update": _A},
        "view": dict.fromkeys(("read", "create", "update", "delete"), _A),
        "user": {"read": _A},
    },
    "admin": {entity: dict.fromkeys(ACTIONS, _A) for entity in ENTITIES},
    "viewer": {
        "customer": {"read": _T},
        "contact_record": {"read": _T},
        "dictionary": {"read": _A},
    },
}
DEFAULT_MASKS: dict[str, frozenset[str]] = {"viewer": frozenset(MASKABLE)}

_SCOPES = {"none": Scope.NONE, "own": Scope.OWN, "team": Scope.TEAM, "all": Scope.ALL}
_HAN_DIGITS = "".join(one[2:] for one in numbers.WRITTEN_DIGITS.values())
_NUMBER_IN_TEXT = re.compile(
    rf"\+?\d(?:[\d\s{re.escape(numbers.BETWEEN_DIGITS)}]{{5,}}\d)|[{_HAN_DIGITS}]{{7,}}"
)
# also one that was cut off, or written with a full-width sign
_MAIL_IN_TEXT = re.compile(r"[\w.+%-]+[@＠][\w-]+(?:\.[\w-]+)+|[A-Za-z0-9.+%_-]+[@＠][A-Za-z0-9-]*")
_PHONE_KEYS = frozenset(
    ("caller_number", "number", "number_key", "phone", "tail", "called_number", "caller_name")
)
_ACCOUNTS = frozenset(("email", "wechat", "qq", "weibo"))
_ADDRESS_KEYS = frozenset(("address", "province", "city", "district", "street", "postcode"))
_TEXT_KEYS = frozenset(
    ("notes", "note", "text", "title", "reason", "survey", "value", "name", "proof", "content")
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole matrix in force."""

    rights: Mapping[tuple[str, str, str], Scope]
    masks: Mapping[str, frozenset[str]]

    def scope(self, role: str, entity: str, action: str) -> Scope:
        return self.rights.get((role, entity, action), Scope.NONE)


def _defaults() -> dict[tuple[str, str, str], Scope]:
    return {
        (role, entity, action): scope
        for role, entities in DEFAULT_RIGHTS.items()
        for entity, actions in entities.items()
        for action, scope in actions.items()
    }


DEFAULT_POLICY = Policy(_defaults(), DEFAULT_MASKS)


def load_policy(conn: sqlite3.Connection) -> Policy:
    """The defaults with what this store says otherwise."""
    rights = _defaults()
    for role, entity, action, scope in conn.execute(
        "SELECT role, entity, action, scope FROM permissions"
    ):
        rights[role, entity, action] = _SCOPES[scope]
    masks = {role: set(DEFAULT_MASKS.get(role, ())) for role in ROLES}
    for role, name, masked in conn.execute("SELECT role, field, masked FROM field_masks"):
        group = masks.setdefault(role, set())
        (group.add if masked else group.discard)(name)
    return Policy(rights, {role: frozenset(names) for role, names in masks.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The person (or program) on whose behalf something is done. ``source``: network address."""

    username: str
    role: str
    agent: str | None = None
    teams: tuple[str, ...] = ()
    source: str = ""
    policy: Policy = field(default=DEFAULT_POLICY, repr=False)

    # ---- rights -------------------------------------------------------------------------------

    def scope(self, entity: str, action: str) -> Scope:
        return self.policy.scope(self.role, entity, action)

    def require(self, entity: str, action: str) -> Scope:
        """The scope of the right; raises :class:`Forbidden` when there is none."""
        scope = self.scope(entity, action)
        if scope is Scope.NONE:
            raise Forbidden(
                f"the role {self.role} may not {action} {entity}; an administrator can allow it"
            )
        return scope

    def reaches(
        self, scope: Scope, owner: str | None, team: str | None, agent: str | None = None
    ) -> bool:
        """Whether a right of this scope covers a row of that owner, team and agent."""
        if scope is Scope.ALL:
            return True
        if scope is Scope.NONE:
            return False
        mine = (owner is not None and owner == self.username) or (
            agent is not None and agent == self.agent
        )
        return mine or (scope is Scope.TEAM and team is not None and team in self.teams)

    def require_row(
        self,
        entity: str,
        action: str,
        *,
        owner: str | None = None,
        team: str | None = None,
        agent: str | None = None,
    ) -> None:
        """Raise NotFound for a row that may not even be read, Forbidden for one that may."""
        if not self.reaches(self.scope(entity, "read"), owner, team, agent):
            raise NotFound(f"there is no such {entity}")
        if not self.reaches(self.require(entity, action), owner, team, agent):
            raise Forbidden(f"the role {self.role} may {action} only its own {entity}s")

    def sql_scope(
        self,
        entity: str,
        action: str = "read",
        *,
        owner: str | None = None,
        team: str | None = None,
        agent: str | None = None,
    ) -> tuple[str, list[object]]:
        """A condition for WHERE; ``owner``, ``team``, ``agent`` name the columns for these."""
        scope = self.require(entity, action)
        if scope is Scope.ALL:
            return "1", []
        parts: list[str] = []
        values: list[object] = []
        if owner:
            parts.append(f"{owner} = ?")
            values.append(self.username)
        if agent and self.agent:
            parts.append(f"{agent} = ?")
            values.append(self.agent)
        if scope is Scope.TEAM and team and self.teams:
            parts.append(f"{team} IN ({','.join('?' * len(self.teams))})")
            values.extend(self.teams)
        return (f"({' OR '.join(parts)})", values) if parts else ("0", [])

    # ---- masks --------------------------------------------------------------------------------

    @property
    def masks(self) -> frozenset[str]:
        return self.policy.masks.get(self.role, frozenset())

    def sees(self, group: str) -> bool:
        return group not in self.masks

    def text(self, value: str) -> str:
        """Free text, with numbers and mail addresses in it masked where the role demands it."""
        for find, mask in self._hidden_in_text() if value else ():
            value = find.sub(lambda m, mask=mask: mask(m[0]), value)  # type: ignore[misc]
        return value

    def _hidden_in_text(self) -> Iterator[tuple[re.Pattern[str], Callable[[str], str]]]:
        masks = self.masks
        if "phone" in masks or "notes" in masks:
            yield _NUMBER_IN_TEXT, _masked_run
        if "email" in masks or "notes" in masks:
            yield _MAIL_IN_TEXT, mask_mail

    def sent_back(self, given: str, stored: str) -> str:
        """What a person means who was shown ``stored``, perhaps masked, and sends ``given`` back:
        each masked piece that is still there stands for what it hides."""
        hidden: list[list[tuple[str, str]]] = []
        for find, mask in self._hidden_in_text():
            pieces: list[tuple[str, str]] = []

            def masked(m: re.Match[str], mask: Any = mask, pieces: Any = pieces) -> str:
                pieces.append((mask(m[0]), m[0]))
                return str(pieces[-1][0])

            stored = find.sub(masked, stored)
            hidden.append(pieces)
        for pieces in reversed(hidden):
            at = 0
            for shown, original in pieces:
                found = given.find(shown, at)
                if found >= 0:
                    at = found + len(original)
                    given = given[:found] + original + given[found + len(shown) :]
        return given

    def phone(self, value: str | None) -> str | None:
        if not value or self.sees("phone"):
            return value
        return numbers.masked(value)

    def contact_value(self, kind: str, value: str) -> str:
        """The value of a contact point as this actor may see it."""
        if kind == "phone":
            return self.phone(value) or ""
        if kind == "postal":
            return value if self.sees("address") else mask_tail(value)
        if not self.sees("email"):
            return mask_mail(value) if kind == "email" else mask_tail(value)
        # an account's name may be a telephone number
        return self.text(value) if kind != "email" or not self.sees("phone") else value

    def may_search(self, words: str) -> bool:
        """Whether free text may be searched by these words, and they may be shown where others
        have searched by them: where numbers and mail addresses in it are masked, only Chinese ones.
        """
        if not self.masks & {"phone", "email", "notes"}:
            return True
        return not any(char.isalnum() and not text.is_han(char) for char in text.fold(words))

    def masked_values(self, value: Any, kind: str = "") -> Any:
        """A whole JSON value (audit, undo, export of rows) with every masked field masked."""
        if not self.masks:
            return value
        if isinstance(value, dict):
            inner = str(value.get("kind", "")) if "value" in value else ""
            return {k: self._masked_field(k, v, inner) for k, v in value.items()}
        if isinstance(value, list):
            return [self.masked_values(one, kind) for one in value]
        return self.text(value) if isinstance(value, str) else value

    def field(self, name: str, value: str) -> str:
        """What somebody wrote into a customer's field (as an import names it); what belongs to no
        field may be anything."""
        if not self.masks:
            return value
        if not name:
            return mask_tail("") if value else ""
        if name in _ACCOUNTS:
            return self.contact_value(name, value)
        if name == "birthday" and not self.sees("birthday"):  # however it is written
            return mask_birthday(value) if value[:4].isdecimal() else mask_tail("")
        return str(self._masked_field(name, value, ""))

    def _masked_field(self, name: str, value: Any, kind: str) -> Any:
        if not isinstance(value, str):
            if name == "birthday" or (name in _ADDRESS_KEYS and not self.sees("address")):
                return None
            return self.masked_values(value)
        if name == "q" and not (self.sees("address") and self.may_search(value)):
            return mask_tail("")  # what somebody searched by may be just what is hidden
        if name in ("value", "key", "display") and kind:
            return self.contact_value(kind, value)
        if name in _PHONE_KEYS and name != "caller_name":
            return self.phone(value)
        if name in _ADDRESS_KEYS and not self.sees("address"):
            return mask_tail(value)
        if name == "birthday" and not self.sees("birthday"):
            return mask_birthday(value)
        return self.text(value)


def _masked_run(found: str) -> str:
    """One run of digits within text; a date or a short number stays."""
    digits = sum(c.isdigit() for c in found) or len(found)  # else written in Chinese
    if digits < 7 or re.fullmatch(r"(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}", found.strip()):
        return found
    return numbers.masked(found)


def mask_mail(value: str) -> str:
    """``zhang.san@example.com`` -> ``z****@example.com``."""
    name, at, host = value.partition("@")
    return f"{name[:1]}****{at}{host}" if at else mask_tail(value)


def mask_tail(value: str) -> str:
    """Keeps the first two characters of anything longer."""
    return f"{value[:2]}****" if len(value) > 2 else "****"


def mask_birthday(value: str) -> str:
    """Keeps the year, which statistics need."""
    return f"{value[:4]}-**-**" if value else value


SYSTEM = Actor(username="system", role="admin")
"""The daemon itself: sees and may do everything."""
