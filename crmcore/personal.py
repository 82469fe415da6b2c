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

KEPT: dict[str, frozenset[str]] = {
    "customers": frozenset(
        {
            "id", "kind", "name", "vip", "blocked", "team", "state", "merged_into", "import_id",
            "version", "created_at", "created_by", "updated_at",
        }
    ),
    "contact_records": frozenset(
        {
            "id", "interaction", "channel", "direction", "did", "queue", "queues", "agent",
            "agents", "team", "customer", "outcome", "disposition", "arrived_at", "queued_at",
            "answered_at", "ended_at", "wait_s", "talk_s", "wrap_up_s", "priority", "offers",
            "recording_failures", "recording_gaps", "version", "updated_at",
        }
    ),
    "consents": frozenset({"id", "customer", "channel", "purpose", "state", "actor", "at"}),
    "erasures": frozenset({"id", "customer", "pseudonym", "reason", "actor", "at", "finished_at"}),
    "merges": frozenset({"id", "survivor", "gone", "actor", "at", "undone_at"}),
    "recordings": frozenset(
        {"id", "interaction", "bytes", "duration_s", "state", "reason", "created_at", "updated_at"}
    ),
    "audit": frozenset(
        {"id", "at", "actor", "source", "action", "entity", "entity_id", "customer"}
    ),
    "journal": frozenset({"seq", "at", "cause", "kind", "interaction", "payload", "digest"}),
    "webhook_deliveries": frozenset(
        {
            "id", "webhook", "event", "customer", "state", "attempts", "next_at", "last_status",
            "last_error", "created_at", "delivered_at",
        }
    ),
}  # fmt: skip
"""What stays about a person who was erased, under a pseudonym (``customers.name``).

That there were interactions, when, how long and with whom on our side; what was consented to, who
changed what and when (without the values), and that the person was erased. In ``journal.payload``
what is said about the caller is blank.
"""

CODES: dict[str, frozenset[str]] = {
    "api_tokens": frozenset({"name"}),
    "attachments": frozenset({"sha256", "author"}),
    "audit": frozenset({"actor", "source", "action", "entity", "entity_id"}),
    "callbacks": frozenset(
        {
            "number_key", "number", "queue", "team", "did", "first_interaction",
            "last_interaction", "state", "owner", "result",
        }
    ),
    "consents": frozenset({"channel", "purpose", "state", "actor"}),
    "contact_points": frozenset({"kind", "value", "key", "tail"}),
    "contact_records": frozenset(
        {
            "interaction", "channel", "direction", "number_key", "did", "queue",
            "queues", "agent", "agents", "team", "outcome", "offers",
            "recording_gaps",
        }
    ),
    "customers": frozenset({"kind", "name_key", "sound", "birthday", "state", "created_by"}),
    "dictionaries": frozenset({"kind", "code", "label_zh", "label_en", "extra"}),
    "duplicates": frozenset({"reasons", "state", "decided_by"}),
    "early_amendments": frozenset({"interaction", "agent"}),
    "erasures": frozenset({"pseudonym", "actor", "pending"}),
    "field_masks": frozenset({"role", "field"}),
    "imports": frozenset({"mode", "state", "actor"}),
    "journal": frozenset({"kind", "interaction", "payload"}),
    "live": frozenset({"kind", "id", "snapshot"}),
    "login_failures": frozenset({"subject"}),
    "mentions": frozenset({"username"}),
    "merges": frozenset({"actor"}),
    "migrations": frozenset({"name", "sha256"}),
    "notes": frozenset({"author"}),
    "number_choices": frozenset({"key", "chosen_by"}),
    "permissions": frozenset({"role", "entity", "action", "scope"}),
    "recordings": frozenset({"id", "interaction", "file", "sha256", "state", "reason"}),
    "relations": frozenset({"kind"}),
    "saved_views": frozenset({"owner", "entity"}),
    "sessions": frozenset({"address"}),
    "tasks": frozenset({"interaction", "owner", "team", "state", "created_by"}),
    "users": frozenset(
        {
            "username", "name", "password_hash", "role", "agent", "teams", "language",
        }
    ),
    "watchers": frozenset({"username"}),
    "webhook_deliveries": frozenset({"event", "body", "state", "last_error"}),
    "webhooks": frozenset({"url", "secret", "events", "created_by"}),
}  # fmt: skip
"""Columns of text in which nobody writes about somebody else, or whose content has a way of its own
(the journal, numbers and their keys); all others are in ``quotes.TEXTS``."""
