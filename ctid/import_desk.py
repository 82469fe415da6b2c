"""Files on their way into the CRM: uploaded, looked at, run once, and forgotten.

The files lie in the passage. A file is removed when its import has ended, after an hour without
use, and at the end of the daemon: it holds personal data.
"""

from __future__ import annotations

import asyncio
import csv
import secrets
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from crmcore import exporting, importing
from crmcore.access import Actor
from crmcore.errors import Conflict, Invalid, NotFound, StoreError, Wrong
from crmcore.importing import Progress
from crmcore.store import Store
from ctid.clock import Clock
from ctid.passage import Passage
from ctid.tasks import cancel_and_wait, spawn

log = structlog.get_logger(__name__)

KEEP_S = 3600.0
PER_USER = 5
AT_ONCE = 20
MAX_UNPACKED = 1 << 30
MAX_VCARDS = 16 << 20
TOLD_EVERY_S = 0.2

_VCARD_HEADER = (
    "name", "kind", "title", "birthday", "phone", "email", "province", "city", "street",
    "postcode", "tags",
)  # fmt: skip


@dataclass(slots=True)
class Upload:
    """One file. ``state``: ready, running, done, failed. Times: Unix seconds."""

    id: str
    username: str
    path: Path
    file_name: str
    at: float
    preview: dict[str, Any] = field(default_factory=dict)
    state: str = "ready"
    progress: Progress | None = None
    problem: str = ""

    def shape(self, actor: Actor) -> dict[str, Any]:
        """As it is told to its owner, masked where the owner sees fields masked (who also sees
        files that others exported); the preview goes when the import has ended."""
        progress = self.progress
        counts = ("stage", "done", "total", "created", "updated", "skipped", "refused")
        return {
            "id": self.id,
            "file_name": actor.text(self.file_name),
            "state": self.state,
            "problem": self.problem,
            "preview": _shown(self.preview, actor) if self.preview else None,
            "import": None if progress is None else progress.import_id,
            "progress": None if progress is None else {n: getattr(progress, n) for n in counts},
        }


class ImportDesk:
    """Keeps uploads and runs one import at a time. ``tell(username, data)``: progress for one."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        passage: Passage,
        tell: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._store = store
        self._passage = passage
        self._clock = clock
        self._tell = tell
        self._uploads: dict[str, Upload] = {}
        self._coming: dict[Path, str] = {}
        self._running: asyncio.Task[None] | None = None
        self._told_at = 0.0

    # ---- uploading ----------------------------------------------------------------------------

    @contextmanager
    def receiving(self, actor: Actor) -> Iterator[Path]:
        """Where to write a file that comes. Raises Forbidden, and Conflict when too many wait."""
        actor.require("customer", "import")
        self._expire()
        owners = [one.username for one in self._uploads.values()] + list(self._coming.values())
        if owners.count(actor.username) >= PER_USER or len(owners) >= AT_ONCE:
            raise Conflict("too many files wait here; run or remove one of them first")
        # openpyxl goes by the name's end, everything else by the content
        path = self._passage.folder() / f"{secrets.token_hex(8)}.xlsx"
        self._coming[path] = actor.username
        try:
            yield path
        finally:
            del self._coming[path]

    async def accept(self, actor: Actor, path: Path, file_name: str) -> Upload:
        """Look at a file that was written; it is removed if it is no table. Raises Invalid."""
        try:
            preview = await asyncio.to_thread(self._look, path)
        except BaseException:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
        upload = Upload(
            id=path.stem,
            username=actor.username,
            path=path,
            file_name=file_name,
            at=self._clock.now_s(),
            preview=preview,
        )
        self._uploads[upload.id] = upload
        return upload

    def _look(self, path: Path) -> dict[str, Any]:
        with open(path, "rb") as file:
            head = file.read(64)
        if head.startswith(b"PK\x03\x04"):
            _check_archive(path)
        elif head.lstrip(b"\xef\xbb\xbf \r\n\t").upper().startswith(b"BEGIN:VCARD"):
            _vcards_to_table(path)
        return importing.preview(path, plan=self._store.plan)

    def get(self, actor: Actor, upload: str) -> Upload:
        """One's own upload. Raises NotFound."""
        actor.require("customer", "import")
        self._expire()
        found = self._uploads.get(upload)
        if found is None or found.username != actor.username:
            raise NotFound("there is no such file here; files are kept for an hour")
        return found

    def of(self, actor: Actor) -> list[Upload]:
        """One's own uploads, oldest first."""
        actor.require("customer", "import")
        self._expire()
        return [one for one in self._uploads.values() if one.username == actor.username]

    def remove(self, actor: Actor, upload: str) -> None:
        """Forget a file that is not being imported. Raises NotFound, Conflict."""
        found = self.get(actor, upload)
        if found.state == "running":
            raise Conflict("this file is being imported")
        self._forget(found)

    # ---- running ------------------------------------------------------------------------------

    def run(self, actor: Actor, upload: str, mapping: list[str], mode: str) -> Upload:
        """Begin the import. Raises NotFound, Conflict, Invalid."""
        found = self.get(actor, upload)
        if found.state != "ready":
            raise Conflict("this file was imported already; upload it again")
        if self._running is not None and not self._running.done():
            raise Conflict("another import is running; begin when it has ended")
        if len(mapping) > len(found.preview["columns"]):
            raise Invalid({"mapping": f"the file has {len(found.preview['columns'])} columns"})
        found.state = "running"
        self._running = spawn(self._run(actor, found, mapping, mode), name=f"import {upload}")
        return found

    async def _run(self, actor: Actor, upload: Upload, mapping: list[str], mode: str) -> None:
        def progress(at: Progress) -> None:
            upload.progress = at
            now = asyncio.get_running_loop().time()
            if now - self._told_at >= TOLD_EVERY_S:
                self._told_at = now
                self._tell(upload.username, upload.shape(actor))

        try:
            upload.progress = await importing.run(
                self._store.db,
                actor,
                upload.path,
                mapping,
                mode,
                self._clock.now_s(),
                file_name=upload.file_name,
                plan=self._store.plan,
                progress=progress,
            )
            upload.state = "done"
        except StoreError as error:
            upload.state, upload.problem = "failed", str(error)
        except Exception:
            upload.state, upload.problem = "failed", "it could not be read to its end"
            log.exception("import_failed", upload=upload.id)
        finally:
            await asyncio.to_thread(upload.path.unlink, missing_ok=True)
            upload.preview = {}
        self._tell(upload.username, upload.shape(actor))

    async def close(self) -> None:
        """Stop a running import (nothing of it stays) and forget all files."""
        await cancel_and_wait(self._running)
        self._uploads.clear()

    # ---- forgetting ---------------------------------------------------------------------------

    def _expire(self) -> None:
        oldest = self._clock.now_s() - KEEP_S
        for one in [one for one in self._uploads.values() if one.at < oldest]:
            if one.state != "running":
                self._forget(one)

    def _forget(self, upload: Upload) -> None:
        upload.path.unlink(missing_ok=True)
        self._uploads.pop(upload.id, None)


def _shown(preview: dict[str, Any], actor: Actor) -> dict[str, Any]:
    mapping = preview["mapping"]
    return {
        **preview,
        "columns": [actor.text(one) for one in preview["columns"]],
        "rows": [importing.masked_cells(actor, mapping, row) for row in preview["rows"]],
    }


def _check_archive(path: Path) -> None:
    """A workbook is read into memory in parts: refuse one that unpacks to far more than it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        broken = Wrong(f"is no readable workbook: {error}", "unreadable")
        raise Invalid({"file": broken}) from error
    if unpacked > MAX_UNPACKED:
        large = "unpacks to more than 1 GiB; save it as CSV and try again"
        raise Invalid({"file": Wrong(large, "unpacks_too_large")})


def _vcards_to_table(path: Path) -> None:
    """Make a table of vCards, so that they go the same way, with preview and undo."""
    if path.stat().st_size > MAX_VCARDS:
        raise Invalid({"file": Wrong("at most 16 MiB of vCards at once", "vcards_too_large")})
    raw = path.read_bytes()
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        content = raw.decode("gb18030", "replace")
    cards = exporting.read_vcards(content)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_VCARD_HEADER)
        for card in cards:
            points: dict[str, list[str]] = {}
            for point in card["contact_points"]:
                points.setdefault(point["kind"], []).append(point["value"])
            place = card["addresses"][0] if card["addresses"] else {}
            values = {
                **card,
                "phone": "、".join(points.get("phone", ())),
                "email": next(iter(points.get("email", ())), ""),
                **{k: place.get(k, "") for k in ("province", "city", "street", "postcode")},
                "tags": "、".join(card.get("tags", ())),
            }
            writer.writerow([_plain(values.get(name, "")) for name in _VCARD_HEADER])


def _plain(value: object) -> str:
    return str(value).replace("\0", "")
