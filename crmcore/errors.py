"""Errors of the store and the CRM. ``code`` is stable and meant for machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class StoreError(Exception):
    """Base of the store's errors."""

    code = "store_error"


class StoreClosed(StoreError):
    """The store is closing or closed; nothing was done. Open it again."""

    code = "store_closed"


class StoreBusy(StoreError):
    """The bounded lane is full or the time-out passed. Try again a little later."""

    code = "store_busy"


class StoreIncompatible(StoreError):
    """The file is newer than this program, or is not a ctid store. Nothing was changed."""

    code = "store_incompatible"


class TransactionLost(StoreError):
    """SQLite gave up the whole transaction (disk full, I/O error): nothing of it was kept."""

    code = "transaction_lost"


class NotFound(StoreError):
    """There is no such row, or the asker may not know that there is one."""

    code = "not_found"


class Conflict(StoreError):
    """The row was changed by somebody else meanwhile (optimistic lock), or the state forbids it.

    Read the row again, look at the difference, and send the change with the new ``version``.
    """

    code = "conflict"


class Wrong(str):
    """What is wrong with a field, in words, with a stable ``code`` and what it turns on.

    Clients say it in their reader's language by the code and the ``params``.
    """

    code: str
    params: dict[str, int | str]

    def __new__(cls, text: str, code: str, **params: int | str) -> Wrong:
        """``text`` is the English sentence."""
        made = super().__new__(cls, text)
        made.code = code
        made.params = params
        return made


def one_of(known: Iterable[str]) -> Wrong:
    """A value that is none of those that there are."""
    return Wrong(f"must be one of {', '.join(known)}", "choice")


REQUIRED = Wrong("must not be empty", "required")


class Invalid(StoreError, ValueError):
    """A value from outside that cannot be taken. ``errors`` names each field and what to do;
    the texts that people meet often are :class:`Wrong`."""

    code = "invalid"

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {text}" for field, text in errors.items()))
        self.errors = errors

    def details(self) -> list[dict[str, Any]]:
        """Each as ``{field, code, detail, params}``; the code of plain words is ``invalid``."""
        return [
            {
                "field": field,
                "code": text.code if isinstance(text, Wrong) else "invalid",
                "detail": str(text),
                "params": dict(text.params) if isinstance(text, Wrong) else {},
            }
            for field, text in self.errors.items()
        ]


class Forbidden(StoreError):
    """The asker's role does not allow this. Nothing was changed."""

    code = "forbidden"
