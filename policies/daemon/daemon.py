"""The daemon itself: everything wired to one loop, until somebody asks for the end.

    every second      runs that are due start, ended ones are written down; messages go out
    every 15 seconds  alerts are evaluated, metrics written
    every 5 minutes   a ping says that all is well, or not

Signals only set flags (`DaemonSignals`): what they ask for is done between two beats. Whatever fails in a beat is reported
and tried again at the next: a full disk must not end the one who would report it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from msgspec import Struct, field

from policies.daemon import after_backup, metrics
from policies.daemon.alert_monitor import RUNNING_JOBS, AlertMonitor
from policies.daemon.console_agent import AgentWork, ConsoleAgent
from policies.daemon.first_contact import FirstContact
from policies.daemon.health import Health
from policies.daemon.heartbeat import HeartbeatWriter
from policies.daemon.job_config import ProjectConfig
from policies.daemon.log import Log
from policies.daemon.log_heads import LogHeads, LogTasks
from policies.daemon.systemd import Systemd
from policies.monitoring.kit_reminders import KitConfig
from policies.monitoring.state_store import StateStore
from policies.notifications.channels import Channel
from policies.notifications.healthchecks import Healthchecks
from policies.notifications.outbox import Outbox
from policies.scheduling.job_state import mistake
from policies.scheduling.jobs import Job, Launch, in_a_thread
from policies.scheduling.periodic_tasks import Failure, PeriodicLoop
from policies.scheduling.run import SUCCESSES, Run
from policies.scheduling.run_history import RunHistory
from policies.scheduling.run_requests import RunRequests
from policies.scheduling.runner import Runner
from vault.clock import Clock
from vault.errors import StrongroomError
from vault.repository.services import Services
from vault.wording import counted

TICK, LOOK, PING = 1.0, 15.0, 300.0
LAST_MESSAGES = 20.0
"""Seconds that `once` waits for messages to be delivered."""
_PAUSE = 0.1


class DaemonSignals(Struct):
    """Raised by signals: the end is wanted; the settings are to be read anew."""

    stop: bool = False
    reload: bool = False


class DaemonConfig(Struct, frozen=True):
    """All that the settings say, as it can be changed while the daemon runs. grace: seconds for runs to end · kits: recovery
    kits, of which it reminds people · log: what is done with the heads of the log; None for nothing · agent: for a
    console elsewhere; None for none."""

    projects: Sequence[ProjectConfig]
    jobs: Sequence[Job]
    channels: Sequence[Channel] = ()
    healthchecks: Healthchecks | None = None
    grace: float = 30.0
    kits: KitConfig = KitConfig()
    log: LogTasks | None = None
    agent: AgentWork | None = None


class DaemonParts(Struct):
    """What it works with. at_once: so many runs · health: None where nobody asks · launch: how runs and messages get a
    thread · reach: asks the store for anything; raises `StrongroomError` · requests: what a person asks to run now."""

    history: RunHistory
    state_store: StateStore
    services: Services
    log: Log
    at_once: int = 2
    health: Health | None = None
    systemd: Systemd = field(default_factory=Systemd)
    launch: Launch = in_a_thread
    reach: Callable[[], None] | None = None
    requests: RunRequests | None = None


class Daemon:
    """read_anew: gives the settings as they are now. Raises `StrongroomError` where they cannot be used."""

    def __init__(self, parts: DaemonParts, config: DaemonConfig, read_anew: Callable[[], DaemonConfig]) -> None:
        self._parts = parts
        self._config = config
        self._read_anew = read_anew
        self._clock: Clock = parts.services.clock
        self._started = self._clock.now()
        log = parts.log
        self._runner = Runner(
            parts.history, parts.services, log, at_once=parts.at_once, launch=parts.launch, requests=parts.requests
        )
        self._outbox = Outbox(parts.state_store, config.channels, self._clock, log.notice, launch=parts.launch)
        self._log_heads = LogHeads(parts.state_store, self._outbox, self._clock, log.notice, parts.services.host, parts.launch)
        self._log_heads.use(config.log)
        self._agent = ConsoleAgent(self._clock, log.notice, parts.launch)
        self._agent.use(config.agent)
        self._monitor = AlertMonitor(parts.state_store, self._runner, self._outbox, log, parts.services.host)
        self._runner.use(config.jobs)
        self._contact = FirstContact(parts.reach, self._clock, log.notice, parts.launch)
        self._pinging = False
        self._metrics = ""
        self._heartbeat = HeartbeatWriter(self._started)
        self._loop = PeriodicLoop(self._clock, log.notice)

    def run(self, signals: DaemonSignals) -> list[Run]:
        """Until the end is wanted. Gives the runs that did not end within their grace."""
        loop = self._loop = PeriodicLoop(self._clock, self._parts.log.notice)
        loop.every(TICK, self._runner.tick, RUNNING_JOBS)
        loop.every(TICK, self._ask_after_backups, "asking for what follows backups")
        loop.every(TICK, self._outbox.deliver, "delivering alerts")
        loop.every(TICK, self._contact.try_again, "asking the store")
        loop.every(LOOK, self.look, "watching promises")
        loop.every(LOOK, self.show, "showing metrics")
        loop.every(LOOK, self._show_life, "showing a sign of life")
        loop.every(LOOK, self._log_heads.tick, "telling the heads of the log")
        loop.every(TICK, self._agent.tick, "asking a console for restores")
        loop.every(PING, self._ping, "pinging")
        if self._parts.systemd.watchdog is not None:
            loop.every(self._parts.systemd.watchdog / 3, lambda: self._parts.systemd.notify("WATCHDOG=1"), "watchdog")
        self._ask(self._config.healthchecks.start if self._config.healthchecks is not None else None)
        self._parts.systemd.notify("READY=1", f"STATUS={self._status()}")
        self._parts.log.info(f"the daemon has begun: {self._status()}")

        def over() -> bool:
            if signals.reload:
                signals.reload = False
                self._reload()
            return signals.stop

        loop.run(over)
        return self._end()

    def once(self, signals: DaemonSignals, *, requested_only: bool = False) -> list[Run]:
        """Run what is due, and end. requested_only: only what a person asks for; monitors are not told that all is well.
        Gives the runs that did not do all of their work. Raises `StrongroomError` where that cannot be written down, or alerts
        cannot be evaluated: then nobody knows what is due next, or whether all is well."""
        log, troubles = self._parts.log, list[StrongroomError]()

        def tried(work: Callable[[], None]) -> None:
            try:
                work()
            except StrongroomError as error:
                troubles.append(error)

        self._heartbeat = HeartbeatWriter(self._started, once=True)
        tried(self._show_life)
        while not signals.stop:
            self._runner.tick(requested_only=requested_only)
            if not self._runner.running() and (requested_only or not self._ask_after_backups()):
                break
            self._clock.sleep(_PAUSE)
        unfinished = self._runner.stop(self._config.grace) if signals.stop else []
        tried(self.look)
        if not requested_only:
            self._ping()
            tried(self._log_heads.tick)
        self._deliver_last(tried)
        tried(self._runner.write)
        newest = [run for job in self._config.jobs for run in self._runner.recent(*job.key)[:1]]
        if not self._config.jobs:
            log.notice("no project has a schedule, so nothing can ever be due")
        self._show_end()
        if troubles:
            raise troubles[0]
        if requested_only:
            return [*unfinished, *(run for run in newest if run.ending != "done" and run.started >= self._started)]
        unasked = "" if self._contact.reached else "; the store was not reached: nothing was due, or nothing of it succeeded"
        log.info(f"all that was due is done, {counted(len(self._monitor.alerts), 'alert is', 'alerts are')} firing{unasked}")
        return [*unfinished, *(run for run in newest if run.ending not in ("done", "skipped") and run.started >= self._started)]

    def _ask_after_backups(self) -> int:
        """Ask for jobs that follow backups; gives how many. Raises `StrongroomError`."""
        if self._parts.requests is None:
            return 0
        return after_backup.ask(self._config.projects, self._runner, self._parts.requests, self._parts.services)

    def _deliver_last(self, tried: Callable[[Callable[[], None]], None]) -> None:
        """What is on its way has so much time. tried: does something that may fail."""
        deadline = self._clock.monotonic() + LAST_MESSAGES
        tried(self._outbox.deliver)
        while self._clock.monotonic() < deadline:
            if self._outbox.is_idle and self._log_heads.is_idle and not self._pinging:
                break
            self._clock.sleep(_PAUSE)
            tried(self._log_heads.collect)
            tried(self._outbox.deliver)

    def look(self) -> None:
        """Judge the promises. Raises `StrongroomError`."""
        if any(ending in SUCCESSES for _, _, ending in self._parts.log.endings):
            self._contact.made()
        self._monitor.look(self._config.projects, self._clock.now(), self._own_failures(), self._config.kits)

    def show(self) -> None:
        """Write what monitors see. Raises `StrongroomError`; the alerts and what fails are shown all the same."""
        try:
            if self._parts.health is not None:
                self._metrics = metrics.text(self._numbers())
        finally:
            if self._parts.health is not None:
                alerts = [alert.as_json() for alert in self._monitor.alerts]
                self._parts.health.show(self._metrics, alerts, self._failing(), reached=self._contact.reached)
            self._parts.systemd.notify(f"STATUS={self._status()}")

    def _show_life(self, *, ended: bool = False) -> None:
        """For `status`. Raises `StrongroomError`."""
        self._heartbeat.failing = self._failing()
        try:
            self._heartbeat.write(self._parts.history.lock, self._clock.now(), ended=ended)
        except OSError as error:
            raise StrongroomError(f"the sign of life for `strongroom status` cannot be written: {error.strerror}") from error

    def _show_end(self) -> None:
        try:
            self._show_life(ended=True)
        except StrongroomError as error:
            self._parts.log.notice(str(error))

    def _failing(self) -> list[dict[str, str]]:
        return [*(one.as_json() for one in self._own_failures()), *self._parts.log.failing]

    def _own_failures(self) -> list[Failure]:
        contact = self._contact.failure
        return [*self._loop.failing, *([contact] if contact is not None else [])]

    def _numbers(self) -> metrics.DaemonMetrics:
        now = self._clock.now()
        running = self._runner.running()
        return metrics.DaemonMetrics(
            started=self._started,
            running=len(running),
            endings=self._parts.log.endings,
            next_runs=self._next_runs(self._config.jobs, now),
            states=self._monitor.states,
            alerts=self._monitor.alerts,
        )

    def _next_runs(self, jobs: Iterable[Job], now: datetime) -> dict[tuple[str, str], datetime]:
        return {(job.project, job.name): job.next_run(self._runner.recent(*job.key), now) for job in jobs}

    def _reload(self) -> None:
        log, systemd = self._parts.log, self._parts.systemd
        systemd.notify("RELOADING=1")
        try:
            config = self._read_anew()
            self._runner.use(config.jobs)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with a file, the daemon goes on with what it has)
            what = str(error) if isinstance(error, StrongroomError) else mistake(error)
            log.notice(f"the new settings cannot be used, the old ones stay in force: {what}")
        else:
            self._config = config
            self._outbox.use(config.channels)
            self._log_heads.use(config.log)
            self._agent.use(config.agent)
            log.info(f"the settings are read anew: {self._status()}")
        systemd.notify("READY=1", f"STATUS={self._status()}")

    def _end(self) -> list[Run]:
        log, grace = self._parts.log, self._config.grace
        self._parts.systemd.notify("STOPPING=1")
        running = len(self._runner.running())
        log.info(f"the end is wanted: {counted(running, 'run has', 'runs have')} {grace:g} seconds to withdraw")
        left = self._runner.stop(grace)
        self._agent.end(grace)
        for run in left:
            log.notice(f"{run.project}/{run.job}: did not end in time; what it has stored is kept")
        self._show_end()
        log.info("the daemon has ended")
        return left

    def _ping(self) -> None:
        healthchecks = self._config.healthchecks
        if not self._contact.reached and self._contact.failure is None and not self._heartbeat.once:
            return  # nothing can be said yet
        firing = [f"{alert.severity}: {alert.title}: {alert.message}" for alert in self._monitor.alerts]
        if self._contact.failure is not None:
            firing.append(f"the store was not reached yet: {self._contact.failure.error}")
        self._ask((lambda: healthchecks.round(firing)) if healthchecks is not None else None)

    def _ask(self, ping: Callable[[], None] | None) -> None:
        """On a thread of its own; while one is on its way no other sets out."""
        if ping is None or self._pinging:
            return
        self._pinging = True

        def work() -> None:
            try:
                ping()
            except StrongroomError as error:
                self._parts.log.notice(f"the ping to the healthchecks URL failed: {error}")
            except Exception as error:  # noqa: BLE001 (its words may hold the URL, which is a secret)
                self._parts.log.notice(f"the ping to the healthchecks URL failed: {type(error).__name__}")
            finally:
                self._pinging = False

        try:
            self._parts.launch("ping", work)
        except Exception as error:  # noqa: BLE001 (no thread is to be had: the next round asks again)
            self._pinging = False
            self._parts.log.notice(f"the ping to the healthchecks URL failed: {type(error).__name__}: {error}")

    def _status(self) -> str:
        alerts = len(self._monitor.alerts)
        projects, jobs = counted(len(self._config.projects), "project"), counted(len(self._config.jobs), "job")
        failing = "".join(f", {one['task']} fails" for one in self._failing())
        if not self._contact.reached:
            known = f", {counted(alerts, 'firing alert')} so far" if alerts else ""
            return f"{projects}, {jobs}, the store was not reached yet{known}{failing}"
        return f"{projects}, {jobs}, {counted(alerts, 'firing alert')}{failing}"
