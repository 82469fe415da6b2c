"""How long it takes to import a table of customers, with a progress bar, and to undo it.

500,000 rows; ``--rows`` or CRM_IMPORT_ROWS take fewer, ``--full`` overrides these. Target: 500,000
rows in at most 90 s, in proportion for fewer. Journal entries are written meanwhile as calls would
make them; the longest wait for one of these commits is printed, because an import must not hold the
lane. The folder is removed at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).parent))

from crm import CITIES, ROADS, person, phone_of

from crmcore import import_undo, importing
from crmcore.access import SYSTEM
from crmcore.store import Store

MAPPING = ["name", "phone", "email", "city", "street", "tags"]


def write_table(path: Path, rows: int, rng: random.Random) -> None:
    with open(path, "w", encoding="gb18030", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["姓名", "手机", "邮箱", "城市", "地址", "标签"])
        for n in range(rows):
            street = f"{rng.choice(ROADS)}{n % 300}号"
            mail = f"reader{n}@example.cn"
            writer.writerow([person(rng), phone_of(n), mail, rng.choice(CITIES), street, "读者"])


async def measure(folder: Path, rows: int) -> dict[str, float]:
    store = await Store.open(folder / "crm.db", 1.0)
    waits: list[float] = []
    over = asyncio.Event()

    async def calls() -> None:
        while not over.is_set():
            seq = store.journal.next_seq
            store.journal.append(seq, float(seq), None, "Fact", "i", "{}")
            began = time.perf_counter()
            await store.journal.flush()
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=not sys.stdout.isatty()) as bar:
        task = bar.add_task("import", total=rows)
        async with asyncio.TaskGroup() as group:
            group.create_task(calls())
            began = time.perf_counter()
            done = await importing.run(
                store.db,
                SYSTEM,
                folder / "in.csv",
                MAPPING,
                "both",
                2.0,
                progress=lambda at: bar.update(task, completed=at.done),
            )
            took = time.perf_counter() - began
            over.set()
    began = time.perf_counter()
    undone = await import_undo.undo(store.db, SYSTEM, done.import_id, 3.0)
    undo_took = time.perf_counter() - began
    await store.close()
    waits.sort()
    return {
        "rows": rows,
        "created": done.created,
        "import_s": round(took, 1),
        "rows_per_s": round(rows / took),
        "undone": undone["removed"],
        "undo_s": round(undo_took, 1),
        "journal_wait_p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
        "journal_wait_max_ms": round(waits[-1] * 1000, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    default = int(os.environ.get("CRM_IMPORT_ROWS", "500000"))
    parser.add_argument("--rows", type=int, default=default)
    parser.add_argument("--full", action="store_true", help="500,000 rows, whatever is set")
    options = parser.parse_args()
    rows = 500_000 if options.full else options.rows
    sys.setswitchinterval(0.001)
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder) / "in.csv", rows, random.Random(7))
        figures = asyncio.run(measure(Path(folder), rows))
    for name, value in figures.items():
        print(f"  {name:22} {value:>12,}")
    print(json.dumps({"bench": "crm_import", **figures}))
    limit = 90.0 * rows / 500_000
    good = figures["import_s"] <= limit and figures["created"] == figures["undone"] == rows
    verdict = f"{rows:,} rows in {figures['import_s']} s (limit {limit:g} s)"
    print(f"{'PASS' if good else 'SHORT'} crm_import: {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
