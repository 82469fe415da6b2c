"""Which columns hold personal data; a test holds this list against the schema's ``[pd]`` marks.

Who adds a column that can hold personal data marks it, lists it here, and sees to it that
``crmcore.privacy`` empties it: the erasure's test fills every one of them and then looks for the
bytes.
"""

from __future__ import annotations

COLUMNS: dict[str, frozenset[str]] = {
    "journal": frozenset({"payload"}),
    "live": frozenset({"snapshot"}),
    "audit": frozenset({"before", "after"}),
    "customers": frozenset({"name", "name_key", "sound", "title", "sex", "birthday", "custom"}),
    "contact_points": frozenset({"value", "key", "tail"}),
    "number_choices": frozenset({"key"}),
    "contact_records": frozenset({"caller_number", "caller_name", "number_key", "notes", "survey"}),
    "early_amendments": frozenset({"notes"}),
    "callbacks": frozenset({"number_key", "number", "note"}),
    "addresses": frozenset({"province", "city", "district", "street", "postcode"}),
    "relations": frozenset({"note"}),
    "profile_facts": frozenset({"value"}),
    "notes": frozenset({"text"}),
    "attachments": frozenset({"name", "content"}),
    "merges": frozenset({"undo"}),
    "tasks": frozenset({"title", "text"}),
    "webhook_deliveries": frozenset({"body"}),
    "import_changes": frozenset({"change", "undo"}),
    "import_refusals": frozenset({"content"}),
}
