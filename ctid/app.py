"""The only wiring: which part is handed to which. Nothing here decides anything."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

import structlog

from crmcore.access import SYSTEM
from crmcore.numbers import NumberPlan
from crmcore.store import Store
from ctid import missed_calls, queues_file, recovery
from ctid.announce import Announcer
from ctid.clock import SystemClock
from ctid.continuity import Continuity
from ctid.crm import Crm
from ctid.crm_duties import CrmDuties
from ctid.events import EventHub
from ctid.executor import Executor
from ctid.http.server import HttpServer, start_http
from ctid.http.services import HttpSettings, RecordingFile, Services
from ctid.lifecycle import Stage, run_stages
from ctid.pump import Pump
from ctid.queues_desk import QueuesDesk, Refused
from ctid.queues_file import LoadedQueues
from ctid.queues_store import QueuesStore
from ctid.recordings import RecordingKeeper
from ctid.records import RecordWriter, Writing
from ctid.screen_pop import ScreenPops
from ctid.settings import Settings
from ctid.systemd import Notifier, Watchdog
from ctid.tasks import cancel_and_wait, live_tasks, spawn
from ctid.telephony.asterisk.ami import AmiSettings
from ctid.telephony.asterisk.fastagi import AgiSettings
from ctid.telephony.asterisk.switch import AsteriskSwitch
from ctid.telephony.port import Switch
from ctid.timers import Timers
from ctid.toml_file import ConfigFileError
from ctid.veil import veil_of
from recorder.library import leftovers, resolve
from recorder.plan import RecordingPlan, safe_stem
from routing import commands as c
from routing.engine import Engine
from routing.facts import ConfigChanged, Fact
from routing.ids import InteractionId, RecordingId
from routing.views import Changes

log = structlog.get_logger(__name__)


def prepare(settings: Settings) -> Daemon:
    """Read everything that can be wrong before anything is started. Raises ConfigFileError."""
    clock = SystemClock()
    return Daemon(settings, queues_file.load(settings.queues_file, clock.wall().date()), clock)


class Daemon:
    """The process: starts the parts in order, waits for a signal, stops them in stages."""

    def __init__(self, settings: Settings, queues: LoadedQueues, clock: SystemClock) -> None:
        self._settings = settings
        self._queues = queues
        self._clock = clock
        self._stopping = asyncio.Event()
        self._http: HttpServer | None = None
        self._journal_task: asyncio.Task[None] | None = None
        self._telephony: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Returns 0 after a clean stop, 1 otherwise."""
        self._wire(await self._open_store())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        notifier = Notifier()
        watchdog = Watchdog(notifier, self._pump.settled)
        failed = False
        try:
            await self._start()
            settle_interpreter()
            watchdog.start()
            notifier.send("READY=1")
            log.info("serving", http=self._http.url if self._http else "")
            failed = await self._until_stopped()
        except OSError as error:
            log.error("start_failed", why=str(error))
            failed = True
        notifier.send("STOPPING=1")
        await watchdog.stop()
        clean = await self._stop()
        return 0 if clean and not failed else 1

    async def _until_stopped(self) -> bool:
        """Wait for a signal. True: the telephony side could not be started at all."""
        stop = spawn(self._stopping.wait(), name="wait for a signal")
        telephony = self._telephony
        assert telephony is not None
        await asyncio.wait({telephony, stop}, return_when=asyncio.FIRST_COMPLETED)
        if telephony.done() and telephony.exception() is not None:
            log.error("telephony_not_started", why=str(telephony.exception()))
            await cancel_and_wait(stop)
            return True
        await stop
        return False

    # --- wiring -----------------------------------------------------------------------------------

    async def _open_store(self) -> Store:
        store = self._settings.store
        store.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        plan = NumberPlan(region=self._settings.region, area=self._settings.area)
        return await Store.open(store.path, self._clock.now_s(), plan=plan)

    def _wire(self, store: Store) -> None:
        clock = self._clock
        settings = self._settings
        self._store = store
        self._journal = store.journal
        self._plan = RecordingPlan(
            intake_dir=settings.recordings.intake_dir,
            library_dir=settings.recordings.library_dir,
        )
        self._engine = Engine(self._queues.config, seed=0)
        self._hub = EventHub(clock, veil=veil_of(store))
        self._announcer = Announcer(self._engine, self._hub, clock)
        self._continuity = Continuity(self._engine, self._journal)
        self._journal.before_commit = self._before_commit
        self._timers = Timers(self._report)
        self._crm = crm = Crm(store)
        self._duties = CrmDuties(
            store, self._hub, clock, self._plan, journal_days=settings.store.journal_days
        )
        self._keeper = RecordingKeeper(
            self._plan, crm, clock, lambda i: self._announcer.contact_record(i, "recording")
        )
        self._pops = ScreenPops(
            source=crm, announcer=self._announcer, clock=clock, report=self._report
        )
        self._records = RecordWriter(crm, clock, self._on_record)
        pbx = settings.asterisk
        self._switch: Switch = AsteriskSwitch(
            ami=AmiSettings(
                host=pbx.ami.host,
                port=pbx.ami.port,
                username=pbx.ami.username,
                secret=pbx.ami.secret,
            ),
            agi=AgiSettings(host=pbx.agi.host, port=pbx.agi.port, allow=tuple(pbx.agi.allow)),
            raw_path=self._plan.intake_path,
            message_path=self._plan.message_path,
            clock=clock,
            rng=Random(),  # noqa: S311 - spreads reconnects, nothing secret
            trunk=pbx.trunk,
            feature_codes=pbx.feature_codes.in_use(),
        )
        self._executor = Executor(
            switch=self._switch,
            report=self._report,
            handlers={
                c.StartTimer: self._timers.start,
                c.CancelTimer: self._timers.cancel,
                c.LookUpCustomer: self._pops.look_up,
                c.FileContactRecord: self._records.put,
                c.AmendContactRecord: self._records.put,
                c.NotifyAgent: lambda n: self._announcer.notice(n.agent, n.code, n.details),
            },
            before_switch={
                c.Offer: self._pops.offer,
                c.ExtendOffer: self._pops.extend,
                c.CancelOffer: self._pops.cancel,
            },
        )
        self._pump = Pump(
            engine=self._engine,
            journal=self._journal,
            clock=clock,
            execute=self._executor.execute,
            publish=self._publish,
            first_seq=self._journal.next_seq,
        )
        self._desk = QueuesDesk(
            QueuesStore(settings.queues_file), self._pump.submit, clock, self._on_queues
        )
        self._pump.listen(self._pops.on_fact)
        self._pump.listen(self._keeper.on_fact)

    def _report(self, fact: Fact, cause: int | None = None) -> None:
        self._pump.put(fact, cause)

    def _on_record(self, written: Writing) -> None:
        if isinstance(written, c.FileContactRecord):
            self._pops.forget(written.account.interaction)
            self._announcer.contact_record(written.account.interaction, "filed")
        else:
            self._announcer.contact_record(written.interaction, "amended")
        self._duties.record_written()

    def _on_users(self) -> None:
        spawn(self._crm.know_people(), name="know people")

    def _before_commit(self) -> None:
        self._pump.tell()  # the live rows are as new as the entries they are committed with
        self._continuity.stage()

    def _publish(self, changes: Changes) -> None:
        self._continuity.changes(changes)
        self._announcer.changes(changes)

    # --- start ------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._journal_task = spawn(self._journal.run(), name="journal")
        await self._crm.know_people()
        self._duties.start()
        config, version = self._queues.config, self._queues.version
        self._report(ConfigChanged(config=config.to_data(), version=version))
        self._switch.on_reconnect(self._on_reconnect)
        self._switch.on_lost(lambda: self._announcer.notice_all("pbx_lost", {}))
        spawn(self._store.tidy(self._clock.now_s()), name="tidy the store")
        self._telephony = spawn(self._start_telephony(), name="telephony start")
        # people can log in while the PBX is still away; /readyz tells
        self._http = await start_http(self._services())

    async def _start_telephony(self) -> None:
        """Connect, compare with the PBX, and only then let callers in."""
        await self._switch.start(self._report)
        rows = await self._journal.read_live()
        recovered = recovery.on_start(rows, await self._switch.live_calls())
        for fact in recovered.facts:
            self._pump.put(fact)
        await self._pump.settled()
        self._continuity.begin()
        self._switch.known(recovered.known)
        self._switch.open_doors()
        log.info(
            "recovered",
            live=len(recovered.known),
            ended=recovered.ended,
            adopted=recovered.adopted,
        )
        await self._records.drained()  # what recovery ended is filed, its recordings have entries
        await self._take_up_recordings()
        await missed_calls.take_in(
            self._settings.asterisk.spool_dir,
            self._crm,
            restored={InteractionId(row.id) for row in rows if row.kind == "interaction"},
            agents={agent.phone: agent.id for agent in self._engine.agents() if agent.phone},
            now=self._clock.now_s(),
        )

    async def _take_up_recordings(self) -> None:
        """Recordings that ended while ctid was away, or whose finishing was cut short."""
        stems = set(await asyncio.to_thread(lambda: list(leftovers(self._plan))))
        live = {view.id for view in self._engine.live_interactions()}
        for row in await self._store.pending_recordings():
            recording, interaction = RecordingId(row["id"]), InteractionId(row["interaction"])
            stems.discard(safe_stem(recording))
            if interaction not in live:
                self._keeper.finish(recording, interaction, self._clock.now_s())
        if stems:
            log.warning("recordings_without_entry", count=len(stems), first=min(stems))

    def _services(self) -> Services:
        http = self._settings.http
        return Services(
            engine=self._engine,
            submit=self._pump.submit,
            store=self._store,
            hub=self._hub,
            clock=self._clock,
            settings=HttpSettings(
                host=http.host,
                port=http.port,
                cookie_secure=http.cookie_secure,
                session_ttl_s=http.session_ttl_s,
                web_dir=http.client_dir or Path(__file__).parent / "web",
            ),
            readiness=self._readiness,
            recordings=self._recording_file,
            queues=self._desk,
            crm_changed=self._duties.nudge,
            users_changed=self._on_users,
            erase_ports=self._duties.ports,
        )

    def _readiness(self) -> Mapping[str, bool]:
        return {
            "pbx": self._switch.connected,
            "journal": not self._journal.pressed,
            "recovered": self._telephony is not None and self._telephony.done(),
        }

    async def _recording_file(self, recording: RecordingId) -> RecordingFile | None:
        row = await self._store.recording(SYSTEM, recording)
        if row["state"] != "ready":
            return None
        return RecordingFile(path=resolve(self._plan, row["file"]))

    # --- while it runs ----------------------------------------------------------------------------

    def _reload(self) -> None:
        """SIGHUP: take the queues file anew, without touching live calls; keep the old if wrong."""
        spawn(self._reload_queues(), name="reload")

    async def _reload_queues(self) -> None:
        try:
            await self._desk.reload()
        except ConfigFileError as error:
            log.error("reload_refused", problems=[str(p) for p in error.problems])
        except Refused as error:
            log.error("reload_refused", problems=[str(error)])

    def _on_queues(self, loaded: LoadedQueues) -> None:
        self._queues = loaded
        self._announcer.config_changed()

    def _on_reconnect(self) -> None:
        self._announcer.notice_all("pbx_back", {})
        spawn(self._reconcile(), name="reconcile")

    async def _reconcile(self) -> None:
        await self._pump.settled()
        for fact in recovery.on_reconnect(self._engine, await self._switch.live_calls()):
            self._pump.put(fact)

    # --- stop -------------------------------------------------------------------------------------

    async def _stop(self) -> bool:
        limit_s = self._settings.stop_timeout_s / 5
        return await run_stages(
            [
                Stage(name="refuse", timeout_s=limit_s, run=self._refuse),
                Stage(name="drain", timeout_s=limit_s, run=self._drain, blocking=live_tasks),
                Stage(name="finalise", timeout_s=limit_s, run=self._finalise, blocking=live_tasks),
                Stage(name="close", timeout_s=limit_s, run=self._close, blocking=live_tasks),
                Stage(name="store", timeout_s=limit_s, run=self._store.close),
            ]
        )

    async def _refuse(self) -> None:
        await self._switch.stop_accepting()
        if self._http is not None:
            self._http.refuse()

    async def _drain(self) -> None:
        if self._http is not None:
            await self._http.drain()
        await self._pump.settled()
        await self._executor.drained()

    async def _finalise(self) -> None:
        await self._records.drained()
        await self._keeper.drained()
        await self._journal.flush()

    async def _close(self) -> None:
        self._pump.close()
        self._timers.close()
        await self._switch.close()
        await cancel_and_wait(self._telephony)
        await self._executor.close()
        await self._records.close()
        await self._keeper.close()
        await self._duties.close()
        await cancel_and_wait(self._journal_task)
        if self._http is not None:
            await self._http.close()


def settle_interpreter() -> None:
    """Settings of the interpreter for a process that lives for years and answers in milliseconds.

    What was loaded at the start is kept out of the collector's sight, and it looks less often: a
    full collection would walk the whole configuration, 0.9 s with 30,000 agents. Threads of the
    store give the interpreter back to the loop after 1 ms instead of 5.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(0.001)
