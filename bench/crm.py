"""How fast the CRM answers while calls are filed.

Builds a store of 1,000,000 customers and 5,000,000 contact records in a folder that is removed at
the end (2 GB, about two minutes; ``--store FILE`` keeps it and uses it again, ``--customers``,
``--records``, CRM_CUSTOMERS and CRM_RECORDS make a smaller one, ``--full`` overrides these). Then
files 500 contact records a second (CRM_WRITES) through the ordinary door while 50 matches, 20
searches and 20 timelines a second are asked, and a task that behaves like the routing pump measures
how late it is woken. The rates are open loop: nothing waits for the answer before. Warm-up, not
measured: the file is read once and 30 of each are asked, as a running store has long done.

Targets: match p99 5 ms, search p99 20 ms, timeline p99 10 ms, 500 records a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from crmcore import migrate as migrations
from crmcore import text
from crmcore.access import SYSTEM
from crmcore.db import Database
from crmcore.store import Store
from routing.commands import InteractionAccount, Outcome
from routing.facts import Channel, Party
from routing.ids import AgentId, InteractionId, QueueId

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任"
    "沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国文辉力健俊峰浩宇轩子涵梓萱雨欣怡晨曦佳琪梦瑶"
    "思远志鹏飞翔云海天龙凤春夏秋冬雪梅竹菊松柏林森川山河江湖波浪清泉石金银铜铁玲珑珍珠玛瑙琳琅碧翠青蓝紫"
    "德仁义礼智信忠孝廉勤俭让温良恭和安康宁福禄寿喜庆祥瑞吉利达通顺兴旺盛昌隆荣光耀辉煌灿烂星辰月日东南西北"
)
CITIES = [
    "南京市",
    "苏州市",
    "无锡市",
    "常州市",
    "镇江市",
    "扬州市",
    "泰州市",
    "南通市",
    "盐城市",
    "淮安市",
    "徐州市",
    "宿迁市",
]
DISTRICTS = [
    "玄武区",
    "秦淮区",
    "建邺区",
    "鼓楼区",
    "浦口区",
    "栖霞区",
    "雨花台区",
    "江宁区",
    "六合区",
    "溧水区",
]
ROADS = [
    a + b + c
    for a in "中北南东西上下前后新老大小长"
    for b in "山京海央门华江湖林州宁阳平"
    for c in "路街"
]
BUSINESS = [
    "科技",
    "传媒",
    "广告",
    "贸易",
    "文化",
    "餐饮",
    "物流",
    "印刷",
    "置业",
    "汽车",
    "家居",
    "旅游",
    "教育",
    "医药",
    "服饰",
]
EPOCH = 1_700_000_000.0


def person(rng: random.Random) -> str:
    return rng.choice(SURNAMES) + "".join(rng.choice(GIVEN) for _ in range(rng.choice((1, 2, 2))))


def organisation(rng: random.Random) -> str:
    city, given = rng.choice(CITIES)[:-1], rng.choice(GIVEN) + rng.choice(GIVEN)
    return f"{city}{given}{rng.choice(BUSINESS)}有限公司"


def phone_of(n: int) -> str:
    """A mobile number of its own for each n, scattered over the plan."""
    return f"1{3 + n % 7}{(n * 2654435761) % 1_000_000_000:09d}"


def build(path: Path, customers: int, records: int, rng: random.Random) -> None:
    """Fill the store in bulk: indexes are made afterwards, nothing is synced."""
    conn = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000", "foreign_keys=OFF"):
        conn.execute(f"PRAGMA {pragma}")
    indexes = conn.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name IN ('customers', 'contact_points', 'addresses', 'contact_records')"
    ).fetchall()
    for name, _ in indexes:
        conn.execute(f"DROP INDEX {name}")
    conn.execute("BEGIN")
    conn.execute("INSERT INTO customer_fts(customer_fts, rank) VALUES ('automerge', 0)")
    cached: dict[str, tuple[str, str]] = {}

    def people() -> Iterator[tuple[str, str, str]]:
        for n in range(1, customers + 1):
            name = organisation(rng) if n % 10 == 0 else person(rng)
            street = f"{rng.choice(ROADS)}{rng.randint(1, 400)}号"
            yield name, f"{rng.choice(CITIES)}{rng.choice(DISTRICTS)}", street

    done = time.perf_counter()
    batch = 20_000
    number = 0
    rows: list[tuple[str, str, str]] = []

    def write() -> None:
        nonlocal number
        first = number + 1
        keyed = []
        for name, _, _ in rows:
            if name not in cached:
                cached[name] = (
                    text.sound(name),
                    " ".join((text.tokens(name), *text.initials(name))),
                )
            keyed.append(cached[name])
        conn.executemany(
            "INSERT INTO customers(id, kind, name, name_key, sound, created_at, updated_at)"
            " VALUES (?,?,?,?,?,?,?)",
            [
                (
                    first + i,
                    "organisation" if (first + i) % 10 == 0 else "person",
                    r[0],
                    text.name_key(r[0]),
                    keyed[i][0],
                    EPOCH,
                    EPOCH,
                )
                for i, r in enumerate(rows)
            ],
        )
        conn.executemany(
            "INSERT INTO contact_points(customer, kind, value, key, tail, created_at)"
            " VALUES (?,'phone',?,?,?,?)",
            [
                (first + i, p, f"+86{p}", p[-7:], EPOCH)
                for i, p in ((i, phone_of(first + i)) for i in range(len(rows)))
            ],
        )
        conn.executemany(
            "INSERT INTO addresses(customer, city, district, street, created_at)"
            " VALUES (?,?,?,?,?)",
            [(first + i, r[1][:3], r[1][3:], r[2], EPOCH) for i, r in enumerate(rows)],
        )
        conn.executemany(
            "INSERT INTO customer_fts(rowid, name, rest) VALUES (?,?,?)",
            [(first + i, keyed[i][1], text.tokens(r[1] + r[2])) for i, r in enumerate(rows)],
        )
        number += len(rows)
        rows.clear()

    for row in people():
        rows.append(row)
        if len(rows) == batch:
            write()
    if rows:
        write()
    print(f"  customers: {time.perf_counter() - done:.0f} s", flush=True)
    done = time.perf_counter()
    step = 3 * 365 * 86400 / max(records, 1)
    outcomes = ("answered",) * 8 + ("abandoned", "timed_out")

    def calls() -> Iterator[tuple[object, ...]]:
        for n in range(records):
            who = int(customers * rng.random() ** 2) + 1
            at = EPOCH + n * step
            key = f"+86{phone_of(who)}"
            yield (
                f"old-{n}",
                "voice",
                key[3:],
                key,
                f"q{n % 8}",
                f"a{n % 60}",
                who,
                outcomes[n % 10],
                at,
                at + 90,
                12.5,
                60.0,
                at,
            )

    conn.executemany(
        "INSERT INTO contact_records(interaction, channel, caller_number, number_key, queue, agent,"
        " customer, outcome, arrived_at, ended_at, wait_s, talk_s, updated_at)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        calls(),
    )
    print(f"  contact records: {time.perf_counter() - done:.0f} s", flush=True)
    done = time.perf_counter()
    conn.execute("INSERT INTO customer_fts(customer_fts, rank) VALUES ('automerge', 4)")
    for _, sql in indexes:
        conn.execute(sql)
    conn.execute("INSERT INTO customer_fts(customer_fts) VALUES ('optimize')")
    conn.execute("COMMIT")
    conn.execute("ANALYZE")
    conn.execute("PRAGMA journal_mode=WAL")
    conn.close()
    print(f"  indexes: {time.perf_counter() - done:.0f} s", flush=True)


def p(values: list[float], share: float) -> float:
    """A percentile in milliseconds."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)


async def paced(
    per_s: float, seconds: float, ask: Callable[[], Awaitable[object]], into: list[float]
) -> None:
    """Ask ``per_s`` times a second, whatever the answers take; note how long each took."""
    loop = asyncio.get_running_loop()
    begin = loop.time()

    async def one() -> None:
        began = time.perf_counter()
        await ask()
        into.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for n in range(int(per_s * seconds)):
            wait_s = begin + n / per_s - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            group.create_task(one())


async def pump(seconds: float, into: list[float]) -> None:
    """Wakes every 5 ms as a burst of facts would, works 0.2 ms, notes how late it was."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        due = loop.time() + 0.005
        await asyncio.sleep(0.005)
        into.append(loop.time() - due)
        until = time.perf_counter() + 0.0002
        while time.perf_counter() < until:
            pass


def queries(rng: random.Random, customers: int) -> Callable[[], str]:
    def one() -> str:
        kind = rng.randrange(8)
        if kind == 0:
            return person(rng)
        if kind == 1:
            return rng.choice(GIVEN) + rng.choice(GIVEN)
        if kind == 2:
            return rng.choice(ROADS)
        if kind == 3:
            return f"{person(rng)} {rng.choice(CITIES)[:2]}"
        if kind == 4:
            return organisation(rng)[2:6]
        if kind == 5:
            return text.initials(person(rng))[-2]
        if kind == 6:
            return phone_of(rng.randint(1, customers))[-4:]
        return f"{rng.choice(ROADS)}{rng.randint(1, 400)}号"

    return one


async def measure(path: Path, options: argparse.Namespace, rng: random.Random) -> dict[str, object]:
    with open(path, "rb") as file:  # noqa: ASYNC230 - nothing else runs yet
        while file.read(1 << 24):  # a running store's pages are in memory
            pass
    size_mb = round(os.path.getsize(path) / 1e6)  # noqa: ASYNC240 - nothing else runs yet
    store = await Store.open(path, EPOCH)
    run = await store.db.read(
        lambda conn: conn.execute("SELECT max(id) FROM contact_records").fetchone()[0]
    )
    end = EPOCH + 4 * 365 * 86400 + run
    filed = 0

    async def take_in() -> None:
        nonlocal filed
        filed += 1
        n = filed
        who = rng.randint(1, int(options.customers * 1.1))
        account = InteractionAccount(
            interaction=InteractionId(f"new-{run}-{n}"),
            channel=Channel.VOICE,
            caller=Party(number="0" + phone_of(who)),
            did="96060",
            outcome=Outcome.ANSWERED if n % 5 else Outcome.ABANDONED,
            arrived_at=end + n,
            ended_at=end + n + 60,
            queue=QueueId("q1"),
            queues=(QueueId("q1"),),
            agent=AgentId("a1") if n % 5 else None,
        )
        await store.file_contact_record(account, end + n)

    word = queries(rng, options.customers)
    slow: list[tuple[float, str]] = []

    async def find() -> None:
        query = word()
        began = time.perf_counter()
        await store.customers(SYSTEM, query=query, limit=20)
        slow.append((time.perf_counter() - began, query))

    def match() -> Awaitable[object]:
        return store.match("+86" + phone_of(rng.randint(1, int(options.customers * 1.1))))

    def timeline() -> Awaitable[object]:
        return store.timeline(SYSTEM, str(int(options.customers * rng.random() ** 2) + 1))

    runs: dict[str, list[float]] = {
        k: [] for k in ("idle", "pump", "match", "find", "line", "file")
    }
    for _ in range(30):  # page in what a running store has long read
        await asyncio.gather(match(), find(), timeline())
    slow.clear()
    await pump(3, runs["idle"])
    await asyncio.gather(
        pump(options.seconds, runs["pump"]),
        paced(options.writes, options.seconds, take_in, runs["file"]),
        paced(50, options.seconds, match, runs["match"]),
        paced(20, options.seconds, find, runs["find"]),
        paced(20, options.seconds, timeline, runs["line"]),
    )
    began = time.perf_counter()
    await asyncio.gather(*(take_in() for _ in range(5000)))
    most = 5000 / (time.perf_counter() - began)
    await store.close()
    slow.sort(reverse=True)
    print("  slowest searches:", [(round(s * 1000, 1), q) for s, q in slow[:8]])
    return {
        "customers": options.customers,
        "records": options.records,
        "size_mb": size_mb,
        "match_p50_ms": p(runs["match"], 0.5),
        "match_p99_ms": p(runs["match"], 0.99),
        "search_p50_ms": p(runs["find"], 0.5),
        "search_p99_ms": p(runs["find"], 0.99),
        "timeline_p50_ms": p(runs["line"], 0.5),
        "timeline_p99_ms": p(runs["line"], 0.99),
        "file_p50_ms": p(runs["file"], 0.5),
        "file_p99_ms": p(runs["file"], 0.99),
        "filed_per_s": round(len(runs["file"]) / options.seconds),
        "filed_most_per_s": round(most),
        "pump_late_idle_p99_ms": p(runs["idle"], 0.99),
        "pump_late_p99_ms": p(runs["pump"], 0.99),
    }


async def prepare(path: Path) -> None:
    db = await Database.open(path)
    await migrations.migrate(db, EPOCH)
    await db.close()


def main() -> int:
    env = os.environ
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=int(env.get("CRM_CUSTOMERS", "1000000")))
    parser.add_argument("--records", type=int, default=int(env.get("CRM_RECORDS", "5000000")))
    parser.add_argument("--writes", type=float, default=float(env.get("CRM_WRITES", "500")))
    parser.add_argument("--seconds", type=float, default=float(env.get("CRM_SECONDS", "15")))
    parser.add_argument(
        "--full", action="store_true", help="the size of the target, whatever is set"
    )
    parser.add_argument("--store", type=Path, help="keep the store here and use it if it is there")
    options = parser.parse_args()
    if options.full:
        options.customers, options.records = 1_000_000, 5_000_000
    rng = random.Random(7)
    # as the daemon does: a reader busy in Python gives way to the voice path within 1 ms
    sys.setswitchinterval(0.001)
    with tempfile.TemporaryDirectory() as folder:
        path = options.store or Path(folder) / "crm.db"
        if not path.exists():
            print(f"building {options.customers:,} customers, {options.records:,} records ...")
            asyncio.run(prepare(path))
            build(path, options.customers, options.records, rng)
        figures = asyncio.run(measure(path, options, rng))
    for name, value in figures.items():
        print(f"  {name:24} {value:>12,}" if isinstance(value, int) else f"  {name:24} {value:>12}")
    print(json.dumps({"bench": "crm", **figures}))
    limits = {
        "match_p99_ms": 5.0,
        "search_p99_ms": 20.0,
        "timeline_p99_ms": 10.0,
        "pump_late_p99_ms": 5.0,
    }
    short = [f"{k} {figures[k]} > {v}" for k, v in limits.items() if float(str(figures[k])) > v]
    if float(str(figures["filed_per_s"])) < options.writes * 0.99:
        short.append(f"filed {figures['filed_per_s']} of {options.writes:g} a second")
    size = f"{options.customers:,} customers, {options.records:,} records"
    good = "; ".join(f"{k} {figures[k]} <= {v:g}" for k, v in limits.items())
    verdict = "; ".join(short) or f"{good}; {figures['filed_per_s']} filed a second"
    print(f"{'SHORT' if short else 'PASS'} crm: {verdict} ({size})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
